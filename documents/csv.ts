/** CSV as COPY … (FORMAT csv) reads it: NULL is an empty field, empty text is quoted. */

export function csvLine(cells: readonly (string | null)[]): string {
  return cells.map(csvCell).join(',');
}

function csvCell(text: string | null): string {
  if (text === null) return '';
  // a line that consists of \. would end the data
  return text === '' || text === '\\.' || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
