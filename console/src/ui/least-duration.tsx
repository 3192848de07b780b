import type { JSX } from 'react';

const CHOICES = [
  ['', 'Any duration'],
  ['10', '≥ 10 ms'],
  ['50', '≥ 50 ms'],
  ['100', '≥ 100 ms'],
  ['500', '≥ 500 ms'],
  ['1000', '≥ 1 s'],
  ['5000', '≥ 5 s'],
] as const;

/** Milliseconds that what is listed took at least. */
export function LeastDuration({ value, onChange }: { value: string | null; onChange: (ms: string) => void }): JSX.Element {
  return (
    <select className="select tall" aria-label="Least duration" value={value ?? ''} onChange={(event) => onChange(event.target.value)}>
      {CHOICES.map(([ms, label]) => (
        <option key={ms} value={ms}>
          {label}
        </option>
      ))}
    </select>
  );
}
