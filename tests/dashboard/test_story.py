"""A person who never saw the page submits, follows, fixes and fetches, in a real browser with a real worker."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from millrace.sdk.values import Job
from tests.dashboard.browsing import goto, obstacles, page_of
from tests.together.ensemble import Ensemble

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture
def page(browser: Browser, ensemble: Ensemble) -> Iterator[Page]:
    with page_of(browser, ensemble.server.url) as page:
        yield page


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that tasks wait for. It comes in any case: a test that fails must not keep the only worker busy."""
    file = tmp_path / "go-on"
    yield file
    file.touch()


def run(command: str) -> dict[str, object]:
    return {"name": "t", "task_type": "exec", "commands": [{"name": "exec", "settings": {"cmd": command}}]}


def submitted(ensemble: Ensemble, name: str, *commands: str, tags: Sequence[str] = ()) -> Job:
    tasks = [{**run(command), "name": f"task {number}"} for number, command in enumerate(commands)]
    return ensemble.farm.submit("commands", {"tasks": tasks}, name=name, max_retries=0, tags=tags)


def row(page: Page, name: str) -> object:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


@pytest.mark.needs("ffmpeg")
def test_a_film_is_submitted_by_the_form_watched_and_fetched(
    page: Page, tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    film = tmp_path / "film.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=s=160x90:d=4:r=10"]
    subprocess.run([require_program("ffmpeg"), "-v", "error", *source, str(film)], check=True)
    page.get_by_role("link", name="Submit", exact=True).click()
    page.get_by_role("link", name="transcode").click()
    page.get_by_label("Name").fill("the film")
    page.get_by_label("Input (needed)").set_input_files(film)
    page.get_by_text("more settings").click()
    page.get_by_label("Format").select_option("mkv")
    page.get_by_role("button", name="Submit").click()

    expect(page.get_by_role("heading", name="the film")).to_be_visible()
    expect(page.locator(".filters .status")).to_have_text("completed")
    with page.expect_download() as started:
        page.locator(".files a").first.click()
    assert started.value.suggested_filename.endswith(".mkv")
    assert Path(started.value.path()).stat().st_size > 1000


def test_a_log_is_followed_and_searched_and_errors_stand_out(page: Page, ensemble: Ensemble, gate: Path) -> None:
    go_on = gate
    wait = f"until [ -e {go_on} ]; do sleep 0.1; done"
    job = submitted(ensemble, "chatty", f"sh -c 'echo first line; echo Error: no texture; {wait}; echo last line'")
    goto(page, f"jobs/{job.id}")
    page.get_by_role("link", name="task 0").click()
    log = page.get_by_role("region", name="Log")
    expect(log).to_contain_text("first line")
    expect(log.locator(".trouble")).to_have_text("Error: no texture")
    go_on.touch()
    expect(log).to_contain_text("last line")
    page.get_by_label("Search the log").fill("LINE")
    expect(page.get_by_text("2 found")).to_be_visible()
    page.get_by_role("button", name="Next match").click()
    expect(log.locator(".current")).to_contain_text("first line")


def test_a_job_is_canceled_with_a_question_and_the_undo_runs_it_again(
    page: Page, ensemble: Ensemble, gate: Path
) -> None:
    go_on = gate
    job = submitted(ensemble, "too many", *[f"sh -c 'until [ -e {go_on} ]; do sleep 0.1; done'"] * 3)
    goto(page, f"jobs/{job.id}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("3 tasks will not be run")
    question.get_by_role("button", name="Leave it").click()
    assert ensemble.farm.job(job.id).status != "canceled"
    page.get_by_role("button", name="Cancel", exact=True).click()
    question.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".filters .status")).to_have_text("canceled")
    go_on.touch()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".filters .status")).to_have_text("completed")


def test_the_undo_of_a_cancel_leaves_alone_what_had_failed_before(page: Page, ensemble: Ensemble, gate: Path) -> None:
    job = submitted(ensemble, "half done", "false", f"sh -c 'until [ -e {gate} ]; do sleep 0.1; done'")
    goto(page, f"jobs/{job.id}")
    expect(page.get_by_role("button", name="Retry failed tasks")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".filters .status")).to_have_text("canceled")
    gate.touch()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".filters .status")).to_have_text("failed")
    outcomes = [[attempt.outcome for attempt in task.attempts] for task in ensemble.farm.tasks(job.id)]
    assert outcomes[0] == ["failed"] and outcomes[1][-1] == "completed"


def test_a_job_that_failed_is_retried(page: Page, ensemble: Ensemble, tmp_path: Path) -> None:
    repaired = tmp_path / "repaired"
    submitted(ensemble, "broken", f"test -e '{repaired}'")
    goto(page, "jobs?status=failed")
    page.get_by_role("link", name="broken").click()
    expect(page.locator(".filters .status")).to_have_text("failed")
    repaired.touch()
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".filters .status")).to_have_text("completed")


def test_what_failed_is_retried_after_its_number_was_told(page: Page, ensemble: Ensemble, tmp_path: Path) -> None:
    repaired = tmp_path / "repaired"
    job = submitted(ensemble, "two broken", *[f"test -e '{repaired}'"] * 2, "true")
    goto(page, f"jobs/{job.id}")
    expect(page.locator(".filters .status")).to_have_text("failed")
    repaired.touch()
    page.get_by_role("button", name="Retry failed tasks").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("2 tasks that failed run again")
    question.get_by_role("button", name="Leave it").click()
    assert ensemble.farm.job(job.id).status == "failed"
    page.get_by_role("button", name="Retry failed tasks").click()
    question.get_by_role("button", name="Retry 2 tasks").click()
    expect(page.locator(".filters .status")).to_have_text("completed")
    expect(page.get_by_role("button", name="Retry failed tasks")).to_have_count(0)
    assert sorted(len(task.attempts) for task in ensemble.farm.tasks(job.id)) == [1, 2, 2]


def test_several_jobs_are_marked_and_steered_at_once(page: Page, ensemble: Ensemble) -> None:
    for name in ("pair one", "pair two"):
        submitted(ensemble, name, "true", "true", tags=["nobody has it"])
    goto(page, "jobs?q=pair")
    expect(page.get_by_role("link", name="pair")).to_have_count(2)
    page.get_by_label("Mark all jobs shown").click()
    expect(page.get_by_text("2 jobs marked")).to_be_visible()
    page.get_by_label("Priority, 0 to 100").fill("90")
    page.get_by_role("button", name="Set priority").click()
    expect(page.get_by_role("cell", name="90")).to_have_count(2)
    page.get_by_label("Mark all jobs shown").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel 2 jobs").click()
    expect(page.get_by_role("table", name="Jobs").get_by_text("canceled")).to_have_count(2)


def test_a_worker_that_has_left_is_forgotten(page: Page, ensemble: Ensemble) -> None:
    leaver = ensemble.worker("leaver")
    goto(page, "workers?q=leaver")
    page.get_by_role("link", name="leaver").click()
    expect(page.locator(".filters .status")).to_have_text("awake")
    expect(page.get_by_role("button", name="Forget")).to_have_count(0)
    leaver.terminate()
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_role("dialog", name="Forget leaver?")).to_contain_text("This cannot be undone")
    page.get_by_role("button", name="Forget it").click()
    expect(page.get_by_text("leaver is forgotten.")).to_be_visible()
    expect(page.get_by_role("heading", name="Workers", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="leaver")).to_have_count(0)
    assert "leaver" not in [worker.name for worker in ensemble.farm.workers()]


def test_a_worker_is_put_to_sleep_and_woken_and_gets_hours(page: Page, ensemble: Ensemble) -> None:
    goto(page, "workers")
    page.get_by_role("link", name="node1").click()
    page.get_by_role("button", name="Put to sleep").click()
    expect(page.locator(".filters .status")).to_have_text("asleep")
    page.get_by_role("button", name="Wake").click()
    expect(page.locator(".filters .status")).to_have_text("awake")
    page.get_by_label("from").fill("22:00")
    page.get_by_label("to", exact=True).fill("06:00")
    page.get_by_label("Sat").check()
    page.get_by_role("button", name="Save the schedule").click()
    expect(page.get_by_text("Sleep schedule saved.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("from")).to_have_value("22:00")
    expect(page.get_by_label("Sat")).to_be_checked()


def test_what_is_wrong_with_a_job_stands_beside_its_field(page: Page) -> None:
    goto(page, "submit/frames")
    page.get_by_label("Name").fill("wrong")
    page.get_by_label("Frames (needed)").fill("1-10x3")
    expect(page.get_by_text("4 frames: 1, 4, 7, 10")).to_be_visible()
    page.get_by_label("Frames (needed)").fill("10-1")
    page.get_by_label("Command (needed)").fill("echo\n{frame}")
    with page.expect_response(lambda response: response.status == 400):
        page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("Frames (needed)")).to_have_attribute("aria-invalid", "true")


def test_what_was_filled_in_stays_when_another_type_of_job_is_looked_at(page: Page) -> None:
    goto(page, "submit/frames")
    page.get_by_label("Name").fill("undecided")
    page.get_by_label("Frames (needed)").fill("1-10")
    page.get_by_role("link", name="function").click()
    expect(page.get_by_role("heading", name="function")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("undecided")
    page.go_back()
    expect(page.get_by_role("heading", name="frames")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("undecided")
    expect(page.get_by_label("Frames (needed)")).to_have_value("1-10")


def test_a_new_job_appears_by_itself_and_the_keyboard_reaches_it(page: Page, ensemble: Ensemble) -> None:
    submitted(ensemble, "another", "true")
    goto(page, "jobs?q=unheard")
    expect(page.get_by_text("No job fits")).to_be_visible()
    for name in ("unheard one", "unheard two"):
        submitted(ensemble, name, "true")
    expect(page.get_by_role("link", name="unheard one")).to_be_visible()
    expect(page.get_by_role("link", name="unheard two")).to_be_visible()
    page.get_by_role("link", name="unheard two").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="unheard one")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_text("1 job marked")).to_be_visible()
    page.get_by_role("link", name="unheard one").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="unheard one")).to_be_visible()


def test_a_strip_of_many_tasks_leads_by_keyboard_to_one_of_them(page: Page, ensemble: Ensemble) -> None:
    settings = {"frames": "1-20000", "command": ["true", "{frame}"]}
    job = ensemble.farm.submit("frames", settings, name="many", tags=["nobody has it"])
    goto(page, f"jobs/{job.id}")
    strip = page.get_by_role("slider")
    expect(strip).to_have_attribute("aria-label", re.compile("20,000 tasks: 20,000 queued"))
    strip.focus()
    page.keyboard.press("End")
    expect(strip).to_have_attribute("aria-valuetext", re.compile("to 20,000: .* queued"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("of 20,000: ")).to_be_visible()
    expect(page.get_by_role("link", name="frame 20000")).to_have_count(0)
    expect(page.get_by_role("row").nth(1)).to_contain_text("frame 19")
    strip.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="frame 20000")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("frame 1")
    page.get_by_role("table", name="Tasks").evaluate("table => table.scrollTo(0, 1e9)")
    expect(page.get_by_text("400 read")).to_be_visible()


def test_one_task_that_failed_is_run_again_while_its_job_goes_on(
    page: Page, ensemble: Ensemble, tmp_path: Path, gate: Path
) -> None:
    repaired, go_on = tmp_path / "repaired", gate
    wait = f"sh -c 'until [ -e {go_on} ]; do sleep 0.1; done'"
    job = submitted(ensemble, "half broken", f"test -e '{repaired}'", wait)
    goto(page, f"jobs/{job.id}?tasks=failed")
    page.get_by_role("link", name="task 0").click()
    expect(page.get_by_role("heading", name="task 0")).to_be_visible()
    page.get_by_text("What it does: 1 command").click()
    expect(page.get_by_text(f"test -e '{repaired}'")).to_be_visible()
    repaired.touch()
    go_on.touch()
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".filters .status")).to_have_text("completed")
    page.get_by_role("button", name="Run again").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("what it left is replaced")
    question.get_by_role("button", name="Leave it").click()
    [task, _] = ensemble.farm.tasks(job)
    assert [attempt.outcome for attempt in task.attempts] == ["failed", "completed"]


def test_a_webhook_is_made_changed_taken_back_and_removed(page: Page, ensemble: Ensemble) -> None:
    goto(page, "settings")
    page.get_by_label("A new webhook to").fill("http://127.0.0.1:9/one")
    page.get_by_role("button", name="Make a webhook").click()
    expect(page.get_by_text("Copy it now")).to_be_visible()
    page.get_by_role("button", name="Change the webhook to http://127.0.0.1:9/one").click()
    page.get_by_label("URL", exact=True).fill("http://127.0.0.1:9/two")
    page.get_by_role("button", name="Save", exact=True).first.click()
    expect(page.get_by_role("button", name="Remove the webhook to http://127.0.0.1:9/two")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Remove the webhook to http://127.0.0.1:9/one")).to_be_visible()
    page.get_by_role("button", name="Remove the webhook to http://127.0.0.1:9/one").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("A webhook tells another service")).to_be_visible()


def test_how_long_jobs_are_kept_is_decided_after_a_look_at_what_goes(page: Page, ensemble: Ensemble) -> None:
    goto(page, "settings")
    page.get_by_label("Delete jobs").check()
    page.get_by_label("days after they have ended").fill("7")
    expect(page.get_by_text("As of now, that deletes nothing.")).to_be_visible()
    page.locator("form", has=page.get_by_label("Delete jobs")).get_by_role("button", name="Save").click()
    expect(page.get_by_text("Jobs are deleted 7 days after they have ended.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Delete jobs")).to_be_checked()
    page.get_by_label("Delete jobs").uncheck()
    page.locator("form", has=page.get_by_label("Delete jobs")).get_by_role("button", name="Save").click()
    expect(page.get_by_text("Jobs are kept for ever.")).to_be_visible()


def test_a_worker_is_added_by_a_line_that_the_page_tells(page: Page, ensemble: Ensemble) -> None:
    goto(page, "workers")
    page.get_by_role("button", name="Add a worker").click()
    told = page.get_by_role("dialog").locator("pre").first
    expect(told).to_have_text(f"curl -fsSL {ensemble.server.url}/install/install.py | python3 -")
    with urlopen(f"{ensemble.server.url}/install/install.py") as script:
        assert b"python" in script.read()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_job_is_held_to_few_tasks_at_once_and_the_farm_to_an_order(page: Page, ensemble: Ensemble) -> None:
    job = submitted(ensemble, "modest", "true", "true", tags=["nobody has it"])
    goto(page, f"jobs/{job.id}")
    page.get_by_label("Tasks at once").fill("1")
    page.get_by_role("button", name="Set how many at once").click()
    expect(page.get_by_text("1 task at once.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Tasks at once")).to_have_value("1")
    goto(page, "settings")
    page.get_by_label("they share the workers evenly").check()
    expect(page.get_by_text("It holds for steps that begin from now on.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("The oldest first")).to_be_checked()


def test_the_keyboard_alone_finds_marks_cancels_and_takes_back(page: Page, ensemble: Ensemble) -> None:
    farm = ensemble.farm
    frames = {"frames": "1-10", "command": ["true", "{frame}"]}
    waiting = [farm.submit("frames", frames, name=f"by key {n:02}", tags=["nobody has it"]) for n in range(60)]
    goto(page, f"jobs/{waiting[0].id}")
    expect(page.get_by_role("table", name="Tasks")).to_have_attribute("aria-rowcount", "11")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="frame 1", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("group").filter(has_text="Settings").locator("summary")).to_be_focused()
    goto(page, "jobs?q=by+key&sort=name&up=1")
    expect(page.get_by_role("table", name="Jobs")).to_have_attribute("aria-rowcount", "61")  # all have come
    page.keyboard.press("j")
    expect(page.get_by_label("Mark by key 00")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_label("Mark by key 59")).to_be_focused()
    page.keyboard.press("PageUp")
    expect(page.get_by_label("Mark by key 59")).not_to_be_focused()
    page.keyboard.press("Home")
    expect(page.get_by_label("Mark by key 00")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_text("1 job marked")).to_be_visible()
    page.get_by_role("button", name="Pause", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_text("“by key 00” paused.")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.get_by_role("status").get_by_text("“by key 00” resumed.")).to_be_visible()
    assert farm.job(waiting[0].id).status == "queued"
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="What the keyboard does")).to_be_visible()
    assert obstacles(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    for job in waiting:
        farm.cancel(job)
