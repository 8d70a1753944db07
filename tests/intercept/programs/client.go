// The vendor client's four calls, its address built in. Knows nothing of upsim.
//
// client PROFILE ELSEWHERE: says how a call to ELSEWHERE fails, then moves every worker to PROFILE.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const base = "https://api.ultimate-proxy.com"

var client = &http.Client{Timeout: 15 * time.Second}

func call(method, url string, body, into interface{}) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, url, content)
	if err != nil {
		return err
	}
	request.Header.Set("X-API-Key", os.Getenv("UP_API_KEY"))
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, url, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	profile, elsewhere := os.Args[1], os.Args[2]
	var ignored map[string]interface{}
	fmt.Println(call("GET", elsewhere, nil, &ignored))
	must(call("GET", base+"/v1/workers/hashrate?algorithm=randomx&timeRange=1h", nil, &ignored))
	must(call("POST", base+"/v1/profiles/"+profile+"/default", nil, &ignored))
	ids := []string{}
	for page, pages := 1, 1; page <= pages; page++ {
		var found struct {
			Data []struct {
				ID       string `json:"_id"`
				Hashrate uint64 `json:"hashrate"`
			} `json:"data"`
			Pagination struct {
				TotalPages int `json:"total_pages"`
			} `json:"pagination"`
		}
		must(call("GET", fmt.Sprintf("%s/v1/workers?page=%d&limit=100&algorithm=randomx", base, page), nil, &found))
		for _, worker := range found.Data {
			ids = append(ids, worker.ID)
		}
		pages = found.Pagination.TotalPages
	}
	move := map[string]interface{}{"worker_ids": ids, "profile_id": profile}
	must(call("POST", base+"/v1/workers/bulk-assign", move, &ignored))
	fmt.Println("moved", len(ids))
}
