// A line for each step, as steps.py prints it.

"use strict";

const now = () => performance.now() / 1000;
const show = (step, seconds, remark = "") => console.log([step, seconds.toFixed(2), remark].join("\t"));

async function step(title, work) {
  const begin = now();
  try {
    const result = await work();
    show(title, now() - begin);
    return result;
  } catch (error) {
    show(title, now() - begin, "FAILED");
    throw error;
  }
}

module.exports = { now, show, step };
