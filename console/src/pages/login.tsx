import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent, type JSX } from 'react';
import { ApiError, messageOf, post, rememberSession } from '../api/client';
import { SESSION_KEY } from '../api/queries';
import type { Session } from '../api/types';
import { useTitle } from '../lib/hooks';
import { Icon, Mark } from '../ui/icons';
import '../styles/login.css';

export function Login(): JSX.Element {
  useTitle('Sign in');
  const client = useQueryClient();
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const signIn = useMutation({
    mutationFn: () => post<Session>('/session', { username, password }),
    onSuccess: (session) => {
      rememberSession(session);
      // What somebody else has seen before is not for this user.
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== SESSION_KEY[0] });
      client.setQueryData(SESSION_KEY, session);
    },
    onError: () => setPassword(''),
  });

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    signIn.mutate();
  };

  return (
    <main className="login">
      <form className="login-card" onSubmit={submit}>
        <div className="login-brand">
          <Mark size={40} />
          <h1>Parapet</h1>
          <p className="muted">Sign in to see logs, traces, metrics and API traffic</p>
        </div>
        {signIn.error && (
          <div className="problem" role="alert">
            <Icon name="alert" />
            <span>{refusal(signIn.error)}</span>
          </div>
        )}
        <div className="field">
          <label htmlFor="username">User name</label>
          <input id="username" className="input" name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus required value={username} onChange={(event) => setUsername(event.target.value)} />
        </div>
        <div className="field">
          <label htmlFor="password">Password</label>
          <input id="password" className="input" name="password" type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
        </div>
        <button type="submit" className="button primary" disabled={signIn.isPending}>
          {signIn.isPending ? 'Signing in…' : 'Sign in'}
        </button>
        <p className="hint">The first administrator’s name and password were printed once, when Parapet first started.</p>
      </form>
    </main>
  );
}

function refusal(error: unknown): string {
  if (error instanceof ApiError && error.status === 401) return error.detail ?? 'User name or password is wrong.';
  return messageOf(error);
}
