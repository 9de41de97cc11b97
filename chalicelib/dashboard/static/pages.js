// The pages by the first word of the URL's fragment. `tab`: which of the navigation's links is lit.

import { openJob } from "./page_job.js";
import { openJobs } from "./page_jobs.js";
import { openSubmit } from "./page_submit.js";
import { openTask } from "./page_task.js";
import { openWorker } from "./page_worker.js";
import { openWorkers } from "./page_workers.js";

const orOne = (all, one) => (place) => (place.id ? one(place) : all(place));

export const PAGES = {
  jobs: { title: "Jobs", tab: "jobs", open: orOne(openJobs, openJob) },
  tasks: { title: "Task", tab: "jobs", open: openTask },
  submit: { title: "Submit", tab: "submit", open: openSubmit },
  workers: { title: "Workers", tab: "workers", open: orOne(openWorkers, openWorker) },
};
