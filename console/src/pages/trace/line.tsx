import { memo, type JSX } from 'react';
import { durationNs } from '../../lib/format';
import { at } from '../../lib/http-headers';
import { dot } from '../../lib/palette';
import { isError, micros, ticks, type WaterfallRow } from '../../lib/waterfall';
import { Icon } from '../../ui/icons';

const MARKS = 5;

export function TimeAxis({ durationUs }: { durationUs: number }): JSX.Element {
  return (
    <div className="span-row head" aria-hidden="true">
      <span>Span</span>
      <span className="span-track">
        {ticks(durationUs, MARKS).filter((mark) => mark < durationUs * 0.93).map((mark) => (
          <span key={mark} className="tick num" style={{ left: `${(100 * mark) / durationUs}%` }}>
            {mark === 0 ? '0' : durationNs(mark * 1000)}
          </span>
        ))}
      </span>
    </div>
  );
}

interface WaterfallLineProps {
  row: WaterfallRow;
  durationUs: number;
  color: string;
  selected: boolean;
  collapsed: boolean;
  onSelect: (spanId: string) => void;
  onToggle: (spanId: string) => void;
}

export const WaterfallLine = memo(function WaterfallLine({ row, durationUs, color, selected, collapsed, onSelect, onToggle }: WaterfallLineProps): JSX.Element {
  const { span } = row;
  const left = (100 * row.startUs) / durationUs;
  const width = Math.max((100 * row.durationUs) / durationUs, 0.25);
  const error = isError(span);
  const label = durationNs(span.duration_ns);
  const place = left + width < 82 ? 'after' : left > 18 ? 'before' : 'inside';
  return (
    <div className={`span-row ${selected ? 'on' : ''}`} style={dot(color)} onClick={() => onSelect(span.span_id)}>
      <span className="span-name" style={{ paddingLeft: 6 + Math.min(row.depth, 24) * 14 }}>
        {row.descendants > 0 ? (
          <button
            type="button"
            className={collapsed ? 'fold' : 'fold open'}
            aria-label={collapsed ? `Show ${row.descendants} spans below` : 'Hide the spans below'}
            onClick={(event) => {
              event.stopPropagation();
              onToggle(span.span_id);
            }}
          >
            <Icon name="chevron" size={12} />
          </button>
        ) : (
          <span className="fold" />
        )}
        <i className="service-bar" />
        <button type="button" className="rowbutton truncate" data-open aria-pressed={selected} title={`${span.service_name ?? ''}: ${span.name}`}>
          {span.name} <span className="faint">{span.service_name}</span>
        </button>
        {collapsed && <span className="badge num">{row.descendants}</span>}
        {row.orphan && <span className="badge warn" title="Its parent span is not stored">no parent</span>}
        {error && <span className="bad error-mark" title={span.status_message ?? 'Error'}><Icon name="alert" size={13} /></span>}
      </span>
      <span className="span-track">
        <i className={error ? 'bar error' : 'bar'} style={{ left: `${left}%`, width: `${width}%` }} />
        {span.events.map((event, i) => {
          const time = at(event, 'time') ?? at(event, 'ts');
          if (typeof time !== 'string') return null;
          const offset = left + (100 * (micros(time) - micros(span.ts))) / durationUs;
          return <i key={i} className="event" style={{ left: `${Math.min(Math.max(offset, 0), 100)}%` }} />;
        })}
        <span className={`bar-label num ${place}`} style={place === 'after' ? { left: `calc(${left + width}% + 6px)` } : place === 'before' ? { right: `calc(${100 - left}% + 6px)` } : { right: `calc(${Math.max(100 - left - width, 0)}% + 8px)` }}>
          {label}
        </span>
      </span>
    </div>
  );
});
