/** Checks responses against the OpenAPI document only. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect } from 'vitest';

interface Document {
  readonly paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, unknown> }> }>
  >;
}

export interface SeenResponse {
  /** The method of the request; default: GET. */
  readonly method?: string;
  readonly status: number;
  readonly contentType: string | null;
  readonly body: string;
}

/** Every `METHOD path status` that the document has. */
export function documentedAnswers(document: unknown): string[] {
  return Object.entries((document as Document).paths).flatMap(([template, methods]) =>
    Object.entries(methods).flatMap(([method, { responses }]) =>
      Object.keys(responses).map((status) => `${method.toUpperCase()} ${template} ${status}`),
    ),
  );
}

/** Checks a response by its route, method and status in the document. @returns the `METHOD path status` that describes it */
export function openApiChecker(document: unknown): (path: string, seen: SeenResponse) => string {
  const { paths } = document as Document;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document as object, 'api');
  const validators = new Map<string, ValidateFunction>();
  return (path, { method = 'GET', status, contentType, body }) => {
    const template = Object.keys(paths).find((each) => pattern(each).test(path));
    expect(template, `${path} is in the document`).toBeDefined();
    const methods = paths[template!]!;
    // a method that a route does not have is described with one that it has
    const described = status === 405 ? Object.keys(methods)[0]! : method.toLowerCase();
    const response = methods[described]?.responses[String(status)];
    expect(
      response,
      `${method} ${template} has ${status} in the document: ${body.slice(0, 500)}`,
    ).toBeDefined();
    if (response!.content === undefined) {
      expect(body).toBe('');
      return `${described.toUpperCase()} ${template} ${status}`;
    }
    expect(Object.keys(response!.content)).toContain(contentType);
    if (contentType === 'application/problem+json') expectNoOptions(body);
    const pointer = [
      ...['paths', template!, described, 'responses', String(status)],
      ...['content', contentType!, 'schema'],
    ];
    const reference = pointer
      .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
      .join('/');
    let validate = validators.get(reference);
    if (validate === undefined) {
      validate = ajv.compile({ $ref: `api#/${reference}` });
      validators.set(reference, validate);
    }
    expect(validate(JSON.parse(body)), `${path} ${status}: ${ajv.errorsText(validate.errors)}\n${body}`).toBe(
      true,
    );
    return `${described.toUpperCase()} ${template} ${status}`;
  };
}

/** Whether the document has a route for the path and the method. */
export function isDocumented(document: unknown, method: string, path: string): boolean {
  return Object.entries((document as Document).paths).some(
    ([template, methods]) => pattern(template).test(path) && method.toLowerCase() in methods,
  );
}

/** Checks that a response is a problem document, also if the route's part of the document does not describe it. */
export function problemChecker(document: unknown): (seen: SeenResponse) => void {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document as object, 'api');
  const validate = ajv.compile({ $ref: 'api#/components/schemas/Problem' });
  return ({ status, contentType, body }) => {
    expect(contentType, `${status} ${body.slice(0, 200)}`).toBe('application/problem+json');
    expect(validate(JSON.parse(body)), `${ajv.errorsText(validate.errors)}\n${body}`).toBe(true);
    expectNoOptions(body);
  };
}

/** What a problem advises names parameters, and no option of the command line outside a command. */
function expectNoOptions(body: string): void {
  const { remedy = '' } = JSON.parse(body) as { remedy?: string };
  expect(remedy.replaceAll(/`[^`]*`/g, '')).not.toMatch(/--[a-z]/);
}

function pattern(template: string): RegExp {
  return new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}
