import { useQuery } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import { get, type Params } from '../../api/client';
import type { FieldValues, LogField } from '../../api/types';
import { conditionsOf, formatCondition } from '../../lib/conditions';
import { count } from '../../lib/format';
import { useSettled, useUrl } from '../../lib/hooks';
import { Icon } from '../../ui/icons';
import { Popover } from '../../ui/overlay';
import { Loaded } from '../../ui/panel';

interface FieldFilterProps {
  field: LogField;
  label: string;
  value: string | null;
  params: Params;
  onChange: (value: string | null) => void;
}

/** A filter by one field, with the values that occur in what the other filters leave. */
export function FieldFilter({ field, label, value, params, onChange }: FieldFilterProps): JSX.Element {
  return (
    <Popover
      name={`Filter by ${label.toLowerCase()}`}
      className={value ? 'button on' : 'button'}
      label={
        <>
          <span className="truncate filter-label">{value ? `${label}: ${value}` : label}</span>
          <Icon name="down" size={13} />
        </>
      }
    >
      {(close) => (
        <Values
          field={field}
          value={value}
          params={params}
          onPick={(next) => {
            onChange(next);
            close();
          }}
        />
      )}
    </Popover>
  );
}

interface ValuesProps {
  field: LogField;
  value: string | null;
  params: Params;
  onPick: (value: string | null) => void;
}

function Values({ field, value, params, onPick }: ValuesProps): JSX.Element {
  const [typed, setTyped] = useState('');
  const settled = useSettled(params, 50);
  const values = useQuery({
    queryKey: ['log-field', field, settled],
    queryFn: ({ signal }) => get<FieldValues>(`/logs/fields/${field}`, { ...settled, limit: 200 }, signal),
  });
  return (
    <div className="values">
      <input
        className="input"
        placeholder="Type a value"
        aria-label="Value"
        autoFocus
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && typed.trim()) onPick(typed.trim());
        }}
      />
      <div className="values-list" role="listbox" aria-label="Values">
        {value && (
          <button type="button" className="menu-item" onClick={() => onPick(null)}>
            <Icon name="close" size={13} /> Any
          </button>
        )}
        <Loaded query={values} isEmpty={(data) => data.values.length === 0} empty={<p className="menu-note">No line in this range has a value here. Type one to filter by it.</p>}>
          {(data) =>
            data.values
              .filter((item) => item.value.toLowerCase().includes(typed.toLowerCase()))
              .map((item) => (
                <button key={item.value} type="button" className="menu-item" role="option" aria-selected={item.value === value} onClick={() => onPick(item.value)}>
                  <span className="truncate">{item.value}</span>
                  <span className="num">{count(item.count)}</span>
                </button>
              ))
          }
        </Loaded>
      </div>
    </div>
  );
}

export function Chip({ name, value, not = false, onRemove }: { name: string; value: string; not?: boolean; onRemove: () => void }): JSX.Element {
  return (
    <span className={not ? 'chip not' : 'chip'}>
      <b>
        {name}
        {not ? ' ≠' : ' ='}
      </b>
      <span className="truncate">{value}</span>
      <button type="button" aria-label={`Remove the filter by ${name}`} onClick={onRemove}>
        <Icon name="close" size={12} />
      </button>
    </span>
  );
}

/** The conditions on any field that the address holds, each to be taken away. */
export function ConditionChips(): JSX.Element {
  const { params, set } = useUrl();
  const where = params.getAll('where');
  return (
    <>
      {conditionsOf(where).map((condition) => {
        const text = formatCondition(condition);
        return <Chip key={text} name={condition.field} value={String(condition.value)} not={condition.not} onRemove={() => set({ where: where.filter((other) => other !== text) })} />;
      })}
    </>
  );
}
