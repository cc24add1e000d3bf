/** Starts the page, when it is known who asks. */
import { render } from 'preact';
import { App } from './app.tsx';
import { startSession } from './sign-in/session.ts';

void startSession().then((canBegin) => {
  if (canBegin) render(<App />, document.getElementById('page')!);
});
