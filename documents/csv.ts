/** CSV as COPY … (FORMAT csv) takes it: NULL is nothing, an empty text is quoted. */

export function csvLine(cells: readonly (string | null)[]): string {
  return cells.map(csvCell).join(',');
}

function csvCell(text: string | null): string {
  if (text === null) return '';
  // a line that is only \. would end the data
  return text === '' || text === '\\.' || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
