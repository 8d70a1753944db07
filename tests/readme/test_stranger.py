import httpx

import upsim


def test_a_client_meets_faults_and_limits_and_recovers(upsim_world: upsim.World) -> None:
    upsim_world.clock.freeze()
    upsim_world.faults.add(method="GET", path="/v1/workers", status=503, times=2)
    with httpx.Client(base_url=upsim_world.url, headers={"X-API-Key": upsim_world.key("basic")}) as api:
        answers = [api.get("/v1/workers") for _ in range(11)]  # ten a minute is what this account may
        assert [answer.status_code for answer in answers] == [503] * 2 + [200] * 8 + [429]
        upsim_world.clock.advance(int(answers[-1].headers["Retry-After"]))
        assert api.get("/v1/workers").status_code == 200
    upsim_world.journal.assert_called("GET", "/v1/workers", times=12)
