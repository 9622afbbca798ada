/**
 * What the data plane says about this machine: whether the kernel's offloads work and the accelerator loads.
 *
 * Main thread, at start and in `peertap doctor`; a few milliseconds. Here because dataplane-link is the only part
 * of control that may reach into the data plane's I/O.
 */
export { requestSlice, WORKER_SLICE_US } from '../../dataplane/io/scheduler.ts';
export { type OffloadSelfTest, selfTestOffloads } from '../../dataplane/io/self-test.ts';
export { nativeAvailability } from '../../dataplane/native/load.ts';
