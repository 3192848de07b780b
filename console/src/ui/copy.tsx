import { useEffect, useState, type JSX } from 'react';
import { Icon } from './icons';

interface CopyProps {
  text: () => string;
  label?: string;
  name: string;
}

/** Copies, and says for a moment that it did. */
export function CopyButton({ text, label, name }: CopyProps): JSX.Element {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <button
      type="button"
      className={label ? 'button small' : 'button plain small icon'}
      aria-label={name}
      title={name}
      onClick={(event) => {
        event.stopPropagation();
        void navigator.clipboard.writeText(text()).then(() => setDone(true));
      }}
    >
      <Icon name={done ? 'check' : 'copy'} size={13} />
      {label && (done ? 'Copied' : label)}
    </button>
  );
}
