/** `npm run site`: writes the site to site/. */
import { buildSite } from './build-site.ts';

try {
  console.log(`${await buildSite('site')} pages in site/`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
