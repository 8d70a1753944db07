// The vendor client's four calls, its address built in. Knows nothing of upsim.
//
// java Client.java PROFILE ELSEWHERE: says how a call to ELSEWHERE fails, then moves every worker to PROFILE.

import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.regex.Pattern;

public class Client {
    static final String BASE = "https://api.ultimate-proxy.com";
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    static String call(String method, String url, String body) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(url)).header("X-API-Key", System.getenv("UP_API_KEY"));
        if (body == null) {
            request.method(method, HttpRequest.BodyPublishers.noBody());
        } else {
            request.method(method, HttpRequest.BodyPublishers.ofString(body)).header("Content-Type", "application/json");
        }
        var answer = CLIENT.send(request.build(), BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new Exception(method + " " + url + ": " + answer.statusCode());
        }
        return answer.body();
    }

    public static void main(String[] arguments) throws Exception {
        String profile = arguments[0], elsewhere = arguments[1];
        try { // the older of Java's two clients says why
            ((HttpURLConnection) URI.create(elsewhere).toURL().openConnection()).getResponseCode();
        } catch (Exception problem) {
            System.out.println(problem.getMessage());
        }
        call("GET", BASE + "/v1/workers/hashrate?algorithm=randomx&timeRange=1h", null);
        call("POST", BASE + "/v1/profiles/" + profile + "/default", null);
        var ids = new ArrayList<String>();
        int pages = 1;
        for (int page = 1; page <= pages; page++) {
            String found = call("GET", BASE + "/v1/workers?page=" + page + "&limit=100&algorithm=randomx", null);
            Pattern.compile("\"_id\": *\"([0-9a-f]{24})\"").matcher(found).results().forEach(id -> ids.add(id.group(1)));
            var total = Pattern.compile("\"total_pages\": *([0-9]+)").matcher(found);
            total.find();
            pages = Integer.parseInt(total.group(1));
        }
        String list = "\"" + String.join("\", \"", ids) + "\"";
        call("POST", BASE + "/v1/workers/bulk-assign", "{\"worker_ids\": [" + list + "], \"profile_id\": \"" + profile + "\"}");
        System.out.println("moved " + ids.size());
    }
}
