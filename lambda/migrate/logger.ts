/** The log of the migrate function. */
import { createLogger } from '../shared/observability.ts';

export const logger = createLogger('migrate');
