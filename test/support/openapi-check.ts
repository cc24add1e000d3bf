/** Checks responses against the OpenAPI document, as a stranger with nothing else would. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect } from 'vitest';

interface Document {
  readonly paths: Record<
    string,
    { get: { responses: Record<string, { content?: Record<string, unknown> }> } }
  >;
}

export interface SeenResponse {
  readonly status: number;
  readonly contentType: string | null;
  readonly body: string;
}

/** Every `path status` that the document has. */
export function documentedAnswers(document: unknown): string[] {
  return Object.entries((document as Document).paths).flatMap(([template, { get }]) =>
    Object.keys(get.responses).map((status) => `${template} ${status}`),
  );
}

/** The check of one response; it answers with the `path status` that the response was described by. */
export function openApiChecker(document: unknown): (path: string, seen: SeenResponse) => string {
  const { paths } = document as Document;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document as object, 'api');
  return (path, { status, contentType, body }) => {
    const template = Object.keys(paths).find((each) => pattern(each).test(path));
    expect(template, `${path} is in the document`).toBeDefined();
    const response = paths[template!]!.get.responses[String(status)];
    expect(response, `${template} has ${status} in the document`).toBeDefined();
    if (response!.content === undefined) {
      expect(body).toBe('');
      return `${template} ${status}`;
    }
    expect(Object.keys(response!.content)).toContain(contentType);
    const pointer = [template!, 'get', 'responses', String(status), 'content', contentType!, 'schema'];
    const reference = pointer.map((part) =>
      encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')),
    );
    const validate = ajv.compile({ $ref: `api#/paths/${reference.join('/')}` });
    expect(validate(JSON.parse(body)), `${path} ${status}: ${ajv.errorsText(validate.errors)}\n${body}`).toBe(
      true,
    );
    return `${template} ${status}`;
  };
}

function pattern(template: string): RegExp {
  return new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}
