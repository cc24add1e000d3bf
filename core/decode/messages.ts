/** Prefix of the messages by which a transaction says something about itself; all others are not ours. */
export const MESSAGE_PREFIX = 'pgtimewarp';
