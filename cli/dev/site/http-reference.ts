/** The HTTP reference as Markdown, from http/openapi.json. */
import { readFile } from 'node:fs/promises';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly examples?: readonly unknown[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}
interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}
interface Operation {
  readonly summary: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content & { readonly description: string }>>;
}
interface Document {
  readonly info: { readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export async function httpReference(): Promise<string> {
  const { info, paths, components } = JSON.parse(await readFile('http/openapi.json', 'utf8')) as Document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      operationText(`${method.toUpperCase()} ${path}`, operation),
    ),
  );
  const documents = Object.entries(components.schemas).map(([name, schema]) => documentText(name, schema));
  return `# HTTP reference

${info.description} Generated from the description of the API, which \`pgtimewarp serve\` gives at \`/openapi.json\`. What that format cannot express
is [here](http.md).

${operations.join('\n')}
## Documents

${documents.join('\n')}`;
}

function operationText(route: string, { summary, parameters, requestBody, responses }: Operation): string {
  const rows = parameters.map(({ name, in: place, required, schema }) => [
    `\`${name}\``,
    required ? `${place}, required` : place,
    kind(schema),
    remarks(schema),
  ]);
  const answers = Object.entries(responses).map(([status, { description, content }]) => [
    status,
    description,
    bodies({ ...(content === undefined ? {} : { content }) }),
  ]);
  return `## ${route}

${summary}.

${rows.length === 0 ? '' : table(['parameter', 'in', 'type', 'meaning'], rows)}

${requestBody === undefined ? '' : `The body is ${bodies(requestBody)}.`}

${table(['status', 'meaning', 'body'], answers)}
`;
}

function documentText(name: string, schema: Schema): string {
  const rows = Object.entries(schema.properties ?? {}).map(([field, each]) => [
    `\`${field}\``,
    schema.required?.includes(field) ? 'always' : 'if there is one',
    kind(each),
    remarks(each),
  ]);
  const said = schema.description === undefined ? '' : `${schema.description}\n\n`;
  const body = rows.length === 0 ? `${kind(schema)}\n` : table(['field', 'present', 'type', 'meaning'], rows);
  return `### ${name}\n\n${said}${body}\n`;
}

function bodies({ content = {} }: Content): string {
  return Object.entries(content)
    .map(([type, { schema }]) => `${kind(schema)} (\`${type}\`)`)
    .join(', ');
}

/** The type in a few words, with a link to a document of its own. */
function kind(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1)!;
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined)
    return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(' or ');
  const several = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (several !== undefined) return [...new Set(several.map(kind))].join(' or ');
  if (schema.items !== undefined) return `list of ${kind(schema.items)}`;
  return [schema.type ?? 'any value'].flat().join(' or ');
}

function remarks({ description = '', default: usual, examples = [] }: Schema): string {
  return [
    description,
    usual === undefined ? '' : `default \`${JSON.stringify(usual)}\``,
    examples.length === 0
      ? ''
      : `such as ${examples.map((each) => `\`${JSON.stringify(each)}\``).join(', ')}`,
  ]
    .filter((text) => text !== '')
    .join('; ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
