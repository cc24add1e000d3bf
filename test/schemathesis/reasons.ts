/**
 * Accepted findings of schemathesis, with the reason. The document describes a single request; these findings depend on what
 * the store holds, or on two parameters together. Every other finding fails the run.
 */
export interface Reason {
  readonly check: string;
  /** The `type` of the problem in the answer. */
  readonly type: string;
  readonly detail: RegExp;
  readonly why: string;
}

export const REASONS: readonly Reason[] = [
  {
    check: 'positive_data_acceptance',
    type: 'urn:pgtimewarp:error:BAD_KEY',
    detail: /./,
    why: 'which columns a key has, and which values they take, is the table’s matter: the document knows no table',
  },
  {
    check: 'positive_data_acceptance',
    type: 'urn:pgtimewarp:error:BAD_TIME',
    detail: /^The interval ends before it begins/,
    why: 'OpenAPI cannot compare two parameters',
  },
  {
    check: 'positive_data_acceptance',
    type: 'urn:pgtimewarp:error:BAD_TABLE_NAME',
    detail: /./,
    why: 'a name has at most 63 bytes, and JSON Schema counts characters',
  },
  {
    check: 'positive_data_acceptance',
    type: 'urn:pgtimewarp:error:BAD_FLAGS',
    detail:
      /has no column |cannot have this value|^Not a cursor of an earlier page|asks about one instant|^Net changes have no operation|does not say what the rows must have|is named more than once in where and null|^descending goes with order/,
    why: 'columns and their values are the table’s matter, a cursor is opaque, and OpenAPI cannot relate two parameters',
  },
  {
    check: 'positive_data_acceptance',
    type: 'urn:pgtimewarp:error:BAD_FLAGS',
    detail: /^xid: must be the number of a transaction/,
    why: 'a number has 64 bits, and a pattern can only count its digits',
  },
  {
    check: 'positive_data_acceptance',
    type: 'urn:pgtimewarp:error:BAD_FLAGS',
    detail: /^lsn: must be an LSN with a hyphen/,
    why: 'schemathesis takes the `lsn` of a listed transaction for the parameter of that name, against its pattern',
  },
];
