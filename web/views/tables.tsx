/** The tracked tables of a node. */
import { pathTo } from '../address.ts';
import type { Table } from '../documents.ts';
import { Moment } from '../parts/moment.tsx';
import { Link, Loading, Problem } from '../parts/parts.tsx';
import { PlainText } from '../parts/plain-text.tsx';
import { useAnswer } from '../use-answer.ts';

/** The name of a table in a path: a name with a dot stands in double quotes. */
export function tableSegment(schema: string, table: string): string {
  const part = (name: string): string => (/[."]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
  return `${part(schema)}.${part(table)}`;
}

export function TablesView({ node }: { readonly node: string }) {
  const { answer, problem, isLoading } = useAnswer<{ tables: readonly Table[] }>(`/v1/nodes/${node}/tables`);
  return (
    <>
      <h1>Tables</h1>
      <Problem problem={problem} />
      <Loading when={isLoading} />
      {answer !== null && answer.tables.length === 0 && (
        <p class="message">No table is tracked yet: pgtimewarp track TABLE</p>
      )}
      {answer !== null && answer.tables.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Tracked tables">
          <table class="grid">
            <thead>
              <tr>
                <th scope="col">table</th>
                <th scope="col">key</th>
                <th scope="col">state</th>
                <th scope="col">tracked from</th>
                <th scope="col">kept for</th>
              </tr>
            </thead>
            <tbody>
              {answer.tables.map((each) => (
                <tr key={each.segment}>
                  <td>
                    <Link to={pathTo(node, 'table', { table: each.segment })}>
                      <PlainText text={each.segment} cut={130} />
                    </Link>
                  </td>
                  <td>
                    <PlainText text={each.key.join(', ')} />
                  </td>
                  <td>
                    <span class={`state ${each.status === 'active' ? 'good' : 'bad'}`}>
                      {each.status.replaceAll('_', ' ')}
                    </span>
                    {each.baseline === 'pending' && <span class="note"> rows are still being read</span>}
                    {each.status_reason && <span class="note"> {each.status_reason}</span>}
                  </td>
                  <td>{each.tracked_from && <Moment ts={each.tracked_from.ts} />}</td>
                  <td>{each.retention ?? <span class="note">for ever</span>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
