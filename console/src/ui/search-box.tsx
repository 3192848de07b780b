import { useEffect, useRef, useState, type JSX } from 'react';
import { Icon } from './icons';

interface SearchBoxProps {
  value: string;
  placeholder: string;
  hint?: string;
  label?: string;
  onChange: (value: string) => void;
}

const SETTLES_AFTER_MS = 250;

/** The page's search: `/` leads here; it answers when typing pauses, or at once on Enter. */
export function SearchBox({ value, placeholder, hint, label = 'Search', onChange }: SearchBoxProps): JSX.Element {
  const [typed, setTyped] = useState(value);
  const [seen, setSeen] = useState(value);
  // What was applied and is not in the address yet: its arrival must not overwrite what was typed meanwhile.
  const [underway, setUnderway] = useState<readonly string[]>([]);
  const timer = useRef(0);
  if (seen !== value) {
    setSeen(value);
    const arrived = underway.indexOf(value);
    setUnderway(underway.slice(arrived < 0 ? underway.length : arrived + 1));
    // The address changed by other means, such as the back button.
    if (arrived < 0) setTyped(value);
  }
  useEffect(() => () => clearTimeout(timer.current), []);

  const apply = (text: string): void => {
    clearTimeout(timer.current);
    if (text !== value) setUnderway((before) => [...before, text]);
    onChange(text);
  };

  return (
    <div className="searchbox" title={hint}>
      <Icon name="search" size={15} />
      <input
        className="input"
        type="text"
        role="searchbox"
        data-search
        aria-label={label}
        placeholder={placeholder}
        spellCheck={false}
        autoComplete="off"
        value={typed}
        onChange={(event) => {
          const text = event.target.value;
          setTyped(text);
          clearTimeout(timer.current);
          timer.current = window.setTimeout(() => apply(text), SETTLES_AFTER_MS);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') apply(typed);
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      {!typed && <kbd>/</kbd>}
    </div>
  );
}
