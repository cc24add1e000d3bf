/** The dialogs for what the API asks for before it answers: a token, or that somebody signs in. */
import { useEffect, useRef } from 'preact/hooks';
import { isTokenWrong } from '../client.ts';
import { leave, signInWanted } from '../sign-in/session.ts';

export function TokenDialog({ send }: { readonly send: (token: string) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    const token = input.current!.value.trim();
    if (token !== '') send(token);
  };
  return (
    <dialog ref={dialog} aria-labelledby="token-title" onCancel={(event) => event.preventDefault()}>
      <form onSubmit={submit}>
        <h2 id="token-title">This server asks for a token</h2>
        {isTokenWrong.value && (
          <p class="message wrong" role="alert">
            The server does not accept the token that it got.
          </p>
        )}
        <label>
          Token
          <input ref={input} type="password" autoComplete="off" required />
        </label>
        <p class="note">It is the value of PGTIMEWARP_TOKEN. This tab keeps it until it is closed.</p>
        <button type="submit" class="main">
          Go on
        </button>
      </form>
    </dialog>
  );
}

export function SignInDialog({ why }: { readonly why: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    signInWanted.value = '';
    void leave();
  };
  return (
    <dialog ref={dialog} aria-labelledby="sign-in-title" onCancel={(event) => event.preventDefault()}>
      <form onSubmit={submit}>
        <h2 id="sign-in-title">Sign in</h2>
        <p class="message" role="alert">
          {why}
        </p>
        <p class="note">You come back to this view.</p>
        <button type="submit" class="main">
          Sign in
        </button>
      </form>
    </dialog>
  );
}
