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
  const [known, setKnown] = useState(value);
  const timer = useRef(0);
  // The address changed by other means, such as the back button.
  if (known !== value) {
    setKnown(value);
    setTyped(value);
  }
  useEffect(() => () => clearTimeout(timer.current), []);

  const apply = (text: string): void => {
    clearTimeout(timer.current);
    setKnown(text);
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
