// The pages by the first word of the URL's fragment. `tab`: which of the navigation's links is lit.

import { openFarm } from "./page_farm.js";
import { openJob } from "./page_job.js";
import { openJobs } from "./page_jobs.js";
import { openPictures } from "./page_pictures.js";
import { openSettings } from "./page_settings.js";
import { openSubmit } from "./page_submit.js";
import { openTask } from "./page_task.js";
import { openWorker } from "./page_worker.js";
import { openWorkers } from "./page_workers.js";

const orOne = (all, one) => (place) => (place.id ? one(place) : all(place));

export const PAGES = {
  jobs: { title: "Jobs", tab: "jobs", open: orOne(openJobs, openJob) },
  tasks: { title: "Task", tab: "jobs", open: openTask },
  pictures: { title: "Last rendered", tab: "pictures", open: openPictures },
  farm: { title: "Farm", tab: "farm", open: openFarm },
  settings: { title: "Settings", tab: "settings", open: openSettings },
  submit: { title: "Submit", tab: "submit", open: openSubmit },
  workers: { title: "Workers", tab: "workers", open: orOne(openWorkers, openWorker) },
};
