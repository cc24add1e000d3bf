/** `pgtimewarp/cdk`: what a CDK app imports. */
// biome-ignore-all lint/performance/noBarrelFile: the one entry point of the constructs
export type { AlarmLimits } from './constructs/monitoring.ts';
export type { ObserveOptions, TimewarpTableOptions } from './constructs/observe-options.ts';
export {
  Timewarp,
  type TimewarpApiOptions,
  type TimewarpPollerOptions,
  type TimewarpProps,
} from './constructs/timewarp.ts';
export type { TimewarpArchiveOptions, TimewarpTableArchive } from './constructs/timewarp-archive.ts';
export { type JwtAuthorizationProps, TimewarpAuthorization } from './constructs/timewarp-authorization.ts';
export type { TimewarpPageOptions } from './constructs/timewarp-page.ts';
export { TimewarpSource } from './constructs/timewarp-source.ts';
export {
  type ExistingStoreProps,
  type ServerlessStoreProps,
  TimewarpStore,
} from './constructs/timewarp-store.ts';
