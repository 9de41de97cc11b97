"""What goes wrong while somebody is at the page: calls that fail, answers that are lost, others' changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from chalicelib.dashboard import files
from millrace.sdk.values import Job
from tests.dashboard.browsing import goto, page_of
from tests.together.ensemble import Ensemble
from tests.worker.processes import until

pytestmark = pytest.mark.needs("chromium")
VARIABLES = "/api/v1/variables"
TROUBLE = "status of 500"
NO_CHANGES = {"jobs": [], "workers": [], "gone": [], "next": "1", "poll_seconds": 0.5, "restart": False}


def fail(route: Route) -> None:
    route.fulfill(status=500, json={"detail": "the farm is unwell"})


def answering(**answer: object) -> Callable[[Route], None]:
    return lambda route: route.fulfill(**answer)


def variable(value: str) -> dict[str, object]:
    return {"direction": "oneway", "values": [{"value": value, "audience": "all", "platforms": []}]}


def variables(page: Page) -> list[str]:
    return sorted(page.request.get(VARIABLES).json()["variables"])


def test_variables_that_were_not_read_are_not_replaced(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url, may_complain_of=TROUBLE) as page:
        page.request.put(VARIABLES, data={"variables": {"blender": variable("/opt/blender")}})
        page.route(f"**{VARIABLES}", fail)
        goto(page, "settings")
        form = page.locator("form", has=page.get_by_role("heading", name="Variables"))
        expect(form.get_by_text("the farm is unwell")).to_be_visible()
        expect(form.get_by_role("button", name="Save the variables")).to_be_disabled()
        expect(form.get_by_role("button", name="Add a line")).to_be_disabled()
        page.unroute_all()
        form.get_by_role("button", name="Try again").click()
        expect(form.get_by_label("Value")).to_have_value("/opt/blender")
        form.get_by_role("button", name="Add a line").click()
        form.get_by_label("Name").last.fill("ffmpeg")
        form.get_by_role("button", name="Save the variables").click()
        expect(page.get_by_text("Variables saved.")).to_be_visible()
        assert variables(page) == ["blender", "ffmpeg"]


def test_variables_that_somebody_else_changed_meanwhile_are_not_replaced(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url) as page:
        page.request.put(VARIABLES, data={"variables": {"blender": variable("/opt/blender")}})
        goto(page, "settings")
        form = page.locator("form", has=page.get_by_role("heading", name="Variables"))
        expect(form.get_by_label("Value")).to_have_value("/opt/blender")
        page.request.put(VARIABLES, data={"variables": {"blender": variable("/opt/blender"), "nuke": variable("/n")}})
        form.get_by_label("Value").fill("/usr/bin/blender")
        form.get_by_role("button", name="Save the variables").click()
        expect(form.get_by_text("nothing was saved")).to_be_visible()
        assert variables(page) == ["blender", "nuke"]
        form.get_by_role("button", name="Read them again").click()
        expect(form.get_by_label("Value")).to_have_count(2)
        form.get_by_role("button", name="Save the variables").click()
        expect(page.get_by_text("Variables saved.")).to_be_visible()


def test_a_job_whose_answer_was_lost_is_not_made_twice(browser: Browser, ensemble: Ensemble) -> None:
    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    with page_of(browser, ensemble.server.url, may_complain_of="net::ERR_FAILED") as page:
        goto(page, "submit/frames")
        page.get_by_label("Name").fill("said once")
        page.get_by_label("Frames (needed)").fill("1-3")
        page.get_by_label("Command (needed)").fill("true\n{frame}")
        page.route("**/api/v1/jobs", lose)
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
        page.unroute_all()
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_role("heading", name="said once")).to_be_visible()
    found = [job for job in map(ensemble.farm.job, ensemble.farm.jobs()) if job.name == "said once"]
    assert len(found) == 1


def test_who_leaves_while_files_are_sent_stays_where_they_went(
    browser: Browser, ensemble: Ensemble, tmp_path: Path
) -> None:
    (tmp_path / "film.mp4").write_text("not looked at")
    held: list[Route] = []
    with page_of(browser, ensemble.server.url, may_complain_of="net::ERR_FAILED") as page:
        goto(page, "submit/transcode")
        page.get_by_label("Name").fill("left alone")
        page.get_by_label("Input (needed)").set_input_files(tmp_path / "film.mp4")
        page.route("**/api/v1/blobs", lambda route: held.append(route))
        with page.expect_request("**/api/v1/blobs"):
            page.get_by_role("button", name="Submit").click()
        page.goto("/#/workers")
        expect(page.get_by_text("nothing was submitted")).to_be_visible()
        page.wait_for_timeout(500)
        expect(page.get_by_role("heading", name="Workers")).to_be_visible()
    assert "left alone" not in [ensemble.farm.job(job).name for job in ensemble.farm.jobs()]


@pytest.fixture(scope="module")
def done(ensemble: Ensemble) -> str:
    """A job of one task that ran."""
    commands = [{"name": "exec", "settings": {"cmd": "echo done"}}]
    tasks = [{"name": "the task", "task_type": "exec", "commands": commands}]
    return ensemble.farm.wait(ensemble.farm.submit("commands", {"tasks": tasks}, name="the job"), timeout=60).id


@pytest.mark.parametrize("kind", ["task", "job"])
def test_a_page_that_was_left_before_its_answer_came_draws_and_asks_no_more(
    browser: Browser, ensemble: Ensemble, done: str, kind: str
) -> None:
    [task] = ensemble.farm.tasks(done)
    place = {"task": f"tasks/{task.id}", "job": f"jobs/{done}"}[kind]
    held: list[Route] = []
    asked: list[str] = []
    with page_of(browser, ensemble.server.url) as page:
        page.route(f"**/api/v1/{place}", lambda route: held.append(route))
        with page.expect_request(f"**/api/v1/{place}"):
            page.goto(f"/#/{place}")
        page.goto("/#/settings")
        expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        page.on("request", lambda request: asked.append(request.url))
        with page.expect_response(f"**/api/v1/{place}"):
            held[0].continue_()
        page.wait_for_timeout(2500)  # a log is read each 1.5 s
        expect(page).to_have_title("Settings · Millrace")
    assert not [url for url in asked if "/log" in url or "/strip" in url or "/why" in url]


@pytest.mark.parametrize("kind", ["task", "job", "worker"])
def test_a_page_whose_first_call_failed_shows_what_a_later_one_brings(
    browser: Browser, ensemble: Ensemble, done: str, kind: str
) -> None:
    [task], [worker] = ensemble.farm.tasks(done), ensemble.farm.workers()
    place, name = {
        "task": (f"tasks/{task.id}", "the task"),
        "job": (f"jobs/{done}", "the job"),
        "worker": (f"workers/{worker.id}", "node1"),
    }[kind]
    with page_of(browser, ensemble.server.url, may_complain_of=TROUBLE) as page:
        page.route(f"**/api/v1/{place}", fail)
        if kind == "job":  # else a change of the job, which has only just ended, may be quicker than the button
            page.route("**/api/v1/changes?*", answering(json=NO_CHANGES))
        page.goto(f"/#/{place}")
        expect(page.get_by_role("heading", name=f"The {kind} could not be read")).to_be_visible()
        expect(page.get_by_text("the farm is unwell")).to_be_visible()
        page.unroute(f"**/api/v1/{place}")
        if kind == "job":
            page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_who_missed_changes_is_shown_a_job_as_it_is_now(browser: Browser, ensemble: Ensemble, done: str) -> None:
    settings = {"frames": "1-3", "command": ["true", "{frame}"]}
    job = ensemble.farm.submit("frames", settings, name="friday", tags=["nobody has it"])
    with page_of(browser, ensemble.server.url) as page:
        page.route("**/api/v1/changes?*", answering(json=NO_CHANGES))
        page.goto(f"/#/jobs/{job.id}")
        page.reload()  # the list of jobs, which is read again in any case, was never asked for
        expect(page.locator(".filters .status")).to_have_text("queued")
        ensemble.farm.cancel(job)
        page.route("**/api/v1/changes?*", answering(json={**NO_CHANGES, "restart": True}))
        expect(page.locator(".filters .status")).to_have_text("canceled")


def test_the_page_says_when_what_stands_before_the_farm_does_not_reach_it(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url, may_complain_of="status of 50") as page:
        for answer in ({"status": 503, "body": "<html>"}, {"status": 200, "body": "<html>please sign in"}):
            page.route("**/api/v1/changes?*", answering(**answer))
            expect(page.get_by_text("What you see may be old")).to_be_visible()
            page.unroute_all()
            expect(page.get_by_text("What you see may be old")).to_be_hidden()


def test_the_keyboard_skips_to_the_content_and_is_in_it_on_each_new_page(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url) as page:
        goto(page, "workers")
        page.get_by_text("Skip to the content").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("main")).to_be_focused()
        assert page.url.endswith("#/workers")
        page.get_by_role("link", name="Farm", exact=True).click()
        expect(page.get_by_role("heading", name="Farm")).to_be_visible()
        expect(page.get_by_role("main")).to_be_focused()


@pytest.mark.parametrize(
    "place, heading",
    [
        ("constructor", "Jobs"),
        ("submit/constructor", "transcode"),
        ("jobs/%", "Nothing to show"),
        ("workers/%E0%A4%A", "Nothing to show"),
    ],
)
def test_a_url_that_means_nothing_still_opens_a_page(
    browser: Browser, ensemble: Ensemble, place: str, heading: str
) -> None:
    with page_of(browser, ensemble.server.url, may_complain_of="status of 404") as page:
        page.goto(f"/#/{place}")
        page.reload()
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()


def test_an_emptied_priority_is_not_zero(browser: Browser, ensemble: Ensemble) -> None:
    settings = {"frames": "1-3", "command": ["true", "{frame}"]}
    job = ensemble.farm.submit("frames", settings, name="important", tags=["nobody has it"], priority=70)
    with page_of(browser, ensemble.server.url) as page:
        changed: list[str] = []
        page.on("request", lambda request: changed.append(request.url) if request.method == "PATCH" else None)
        goto(page, f"jobs/{job.id}")
        page.get_by_label("Priority, 0 to 100").fill("")
        page.get_by_role("button", name="Set", exact=True).click()
        goto(page, "jobs?q=important")
        page.get_by_label("Mark important").check()
        page.get_by_label("Priority, 0 to 100").fill("")
        page.get_by_role("button", name="Set priority").click()
        page.wait_for_timeout(300)
        assert changed == []
    assert ensemble.farm.job(job.id).priority == 70


def test_to_allow_one_thing_again_takes_no_other_off_the_blocklist(
    browser: Browser, ensemble: Ensemble, done: str
) -> None:
    [worker] = ensemble.farm.workers()
    path = f"/api/v1/workers/{worker.id}/blocklist"
    one, other = [{"job": done, "task_type": word} for word in ("sleep", "transcode")]
    with page_of(browser, ensemble.server.url) as page:
        page.request.put(path, data={"entries": [one]})
        page.clock.install()  # nothing is read again by itself
        goto(page, f"workers/{worker.id}")
        button = page.get_by_role("button", name="Allow sleep")
        expect(button).to_be_visible()
        page.request.put(path, data={"entries": [one, other]})
        with page.expect_response(lambda response: response.request.method == "PUT"):
            button.click()
        left = [entry["task_type"] for entry in page.request.get(path).json()["entries"]]
        page.request.put(path, data={"entries": []})
        assert left == ["transcode"]


def waiting(ensemble: Ensemble, *names: str) -> list[Job]:
    """Jobs that no worker takes."""
    settings = {"frames": "1-3", "command": ["true", "{frame}"]}
    return [ensemble.farm.submit("frames", settings, name=name, tags=["nobody has it"]) for name in names]


def test_a_list_of_which_a_page_could_not_be_read_is_not_shown_as_if_it_were_whole(
    browser: Browser, ensemble: Ensemble
) -> None:
    waiting(ensemble, "of many")

    def with_more(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "next": "more"})

    with page_of(browser, ensemble.server.url, may_complain_of=TROUBLE) as page:
        page.route("**/api/v1/jobs?limit=100", with_more)
        page.route("**/api/v1/jobs?limit=1000&cursor=more", fail)
        page.reload()
        expect(page.get_by_role("link", name="of many")).to_be_visible()
        said = page.get_by_text("jobs could be read")
        expect(said).to_be_visible()
        page.unroute_all()
        page.get_by_role("button", name="Try again").click()
        expect(said).to_be_hidden()
        expect(page.get_by_role("link", name="of many")).to_be_visible()


def test_the_keyboard_keeps_its_place_when_what_it_is_on_is_drawn_again(browser: Browser, ensemble: Ensemble) -> None:
    waiting(ensemble, "kept one", "kept two")
    with page_of(browser, ensemble.server.url) as page:
        goto(page, "jobs?q=kept")
        box = page.get_by_label("Mark all jobs shown")
        box.focus()
        page.keyboard.press("Space")
        expect(page.get_by_text("2 jobs marked")).to_be_visible()
        expect(box).to_be_checked()
        expect(box).to_be_focused()
        page.get_by_label("Mark kept one").uncheck()
        expect(box).not_to_be_checked()
        page.get_by_role("button", name="Job", exact=True).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Job", exact=True)).to_be_focused()
        goto(page, "farm")
        page.get_by_role("button", name="Day", exact=True).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Day", exact=True)).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("button", name="Day", exact=True)).to_be_focused()


def test_jobs_that_could_not_be_steered_are_counted_and_stay_marked(browser: Browser, ensemble: Ensemble) -> None:
    jobs = waiting(ensemble, *(f"crew {number}" for number in range(6)))
    with page_of(browser, ensemble.server.url, may_complain_of=TROUBLE) as page:
        for job in jobs[:5]:
            page.route(f"**/api/v1/jobs/{job.id}/pause", fail)
        goto(page, "jobs?q=crew")
        page.get_by_label("Mark all jobs shown").check()
        page.get_by_role("button", name="Pause", exact=True).click()
        expect(page.get_by_text("5 jobs could not be paused.")).to_be_visible()
        expect(page.get_by_text("5 jobs marked")).to_be_visible()
        expect(page.get_by_label("Mark crew 5")).not_to_be_checked()
        page.get_by_role("button", name="Unmark all").click()
        expect(page.get_by_text("jobs marked")).to_be_hidden()


def test_a_paused_job_is_paused_again_when_its_cancel_is_undone(browser: Browser, ensemble: Ensemble) -> None:
    [job] = waiting(ensemble, "held back")
    ensemble.farm.pause(job)
    with page_of(browser, ensemble.server.url) as page:
        goto(page, f"jobs/{job.id}")
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("button", name="Cancel the job").click()
        expect(page.locator(".filters .status")).to_have_text("canceled")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("“held back” queued again.")).to_be_visible()
    assert ensemble.farm.job(job.id).status == "paused"


def test_a_log_that_grows_leaves_the_search_where_it_is(browser: Browser, ensemble: Ensemble, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    script = f"echo a line; echo a line; until [ -e {go_on} ]; do sleep 0.1; done; echo a line"
    commands = [{"name": "exec", "settings": {"argv": ["sh", "-c", script]}}]
    job = ensemble.farm.submit(
        "commands", {"tasks": [{"name": "t", "task_type": "exec", "commands": commands}]}, name="l"
    )
    try:
        with page_of(browser, ensemble.server.url) as page:
            goto(page, f"jobs/{job.id}")
            page.get_by_role("link", name="t", exact=True).click()
            page.get_by_label("Search the log").fill("LINE")
            expect(page.get_by_text("2 found")).to_be_visible()
            page.get_by_role("button", name="Match before").click()
            expect(page.get_by_text("2 of 2")).to_be_visible()
            go_on.touch()
            expect(page.get_by_text("2 of 3")).to_be_visible()
    finally:
        go_on.touch()


def test_a_log_that_comes_after_the_end_of_its_task_is_shown_too(
    browser: Browser, ensemble: Ensemble, done: str
) -> None:
    [task] = ensemble.farm.tasks(done)
    until(lambda: "done" in ensemble.farm.log(task).text, "the log", 20)
    asked: list[str] = []

    def late(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 2:
            return route.fallback()
        return route.fulfill(body="", headers={"X-Next-Offset": "0"})

    with page_of(browser, ensemble.server.url) as page:
        page.route("**/log?*", late)
        goto(page, f"tasks/{task.id}")
        expect(page.get_by_role("region", name="Log")).to_contain_text("exec: done")


def test_an_order_that_was_refused_is_not_shown_as_if_it_held(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url, may_complain_of=TROUBLE) as page:
        goto(page, "settings")
        page.route("**/api/v1/queue", fail)
        page.get_by_label("they share the workers evenly").click()
        expect(page.get_by_text("the farm is unwell")).to_be_visible()
        expect(page.get_by_label("The oldest first")).to_be_checked()


@pytest.mark.needs("ffmpeg")
def test_one_job_that_cannot_be_read_keeps_no_other_picture_away(browser: Browser, ensemble: Ensemble) -> None:
    source = ["-f", "lavfi", "-i", "testsrc2=s=64x36", "-frames:v", "1"]
    settings = {"frames": "1", "command": ["ffmpeg", "-v", "error", *source, "{output}/{frame}.png"]}
    good, bad = (ensemble.farm.submit("frames", settings, name=name) for name in ("good one", "bad one"))
    for job in (good, bad):
        ensemble.farm.wait(job, timeout=60)
    with page_of(browser, ensemble.server.url, may_complain_of=TROUBLE) as page:
        page.route(f"**/api/v1/jobs/{bad.id}/last-rendered", fail)
        goto(page, "pictures")
        expect(page.get_by_role("link", name="good one")).to_be_visible()
        expect(page.get_by_role("link", name="bad one")).to_have_count(0)


MERGED = """
async module => {
  const { TasksOfJob } = await import(module);
  const tasks = new TasksOfJob("1");
  const calls = [];
  const page = (cursor, next) => ({ cursor, next, items: [{ id: cursor ?? "first" }] });
  tasks.page = cursor => new Promise(resolve => calls.push(next => resolve(page(cursor, next))));
  const settled = () => new Promise(resolve => setTimeout(resolve));
  tasks.more();
  calls.shift()("a");
  await settled();
  tasks.more();
  tasks.refresh(0, 0);
  const [second, again] = calls;
  again("b"); // the first page ends elsewhere now: what was asked for behind its old end does not follow on it
  await settled();
  second("c");
  await settled();
  return [tasks.items.map(task => task.id), tasks.next];
}
"""


def test_a_page_of_tasks_that_no_longer_follows_on_those_before_is_not_shown(
    browser: Browser, ensemble: Ensemble
) -> None:
    with page_of(browser, ensemble.server.url) as page:
        assert page.evaluate(MERGED, f"/ui/{files.version()}/tasks_of_job.js") == [["first"], "b"]


READ_ANEW = """
async module => {
  const { Collection } = await import(module);
  const [fetched, answers] = [window.fetch, []];
  const page = id => Response.json({ items: [{ id, status: "queued" }], next: null });
  const held = () => new Promise(resolve => answers.push(id => resolve(page(id))));
  window.fetch = (url, options) => (String(url).includes("/mixed") ? held() : fetched(url, options));
  const all = new Collection("/mixed");
  const before = all.load();
  all.forget();
  const after = all.load();
  answers[1]("fresh");
  await after;
  answers[0]("stale");
  await before;
  return [[...all.items.keys()], all.complete];
}
"""


def test_what_was_asked_for_before_all_is_read_anew_is_not_mixed_in(browser: Browser, ensemble: Ensemble) -> None:
    with page_of(browser, ensemble.server.url) as page:
        assert page.evaluate(READ_ANEW, f"/ui/{files.version()}/store.js") == [["fresh"], True]


def test_times_are_rounded_before_they_are_split(browser: Browser, ensemble: Ensemble) -> None:
    said = {59.7: "1 min", 3599: "1 h 0 min", 7199: "2 h 0 min", 5400: "1 h 30 min", 172_799: "2 days", 40: "40 s"}
    words = "async ([module, all]) => { const { duration } = await import(module); return all.map(duration); }"
    with page_of(browser, ensemble.server.url) as page:
        module = f"/ui/{files.version()}/format.js"
        assert page.evaluate(words, [module, list(said)]) == list(said.values())
