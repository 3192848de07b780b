//! One small case per rule.
