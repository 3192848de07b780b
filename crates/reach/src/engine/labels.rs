//! Posting lists: which things carry a label, and with which value. Selectors become set operations over them.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use crate::model::{LabelValue, Operator, Selector};

/// An index over things that are numbered from 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelIndex {
    everything: RoaringBitmap,
    keys: HashMap<String, KeyIndex>,
}

#[derive(Clone, Debug, Default)]
struct KeyIndex {
    present: RoaringBitmap,
    values: HashMap<String, RoaringBitmap>,
}

impl LabelIndex {
    /// Adds a thing without labels.
    pub(crate) fn add(&mut self, thing: u32) {
        self.everything.insert(thing);
    }

    /// Adds one label of a thing.
    pub(crate) fn add_label(&mut self, thing: u32, key: &str, value: LabelValue<'_>) {
        if value == LabelValue::Absent {
            return;
        }
        if !self.keys.contains_key(key) {
            self.keys.insert(key.to_owned(), KeyIndex::default());
        }
        let Some(index) = self.keys.get_mut(key) else { return };
        index.present.insert(thing);
        if let LabelValue::Known(value) = value {
            match index.values.get_mut(value) {
                Some(things) => {
                    things.insert(thing);
                }
                None => {
                    index.values.insert(value.to_owned(), RoaringBitmap::from_iter([thing]));
                }
            }
        }
    }

    /// The things that `selector` matches.
    pub(crate) fn select(&self, selector: &Selector) -> RoaringBitmap {
        let nothing = KeyIndex::default();
        let mut selected: Option<RoaringBitmap> = None;
        for requirement in &selector.requirements {
            let index = self.keys.get(&requirement.key).unwrap_or(&nothing);
            let one_of = |values: &[String]| {
                let lists = values.iter().filter_map(|value| index.values.get(value));
                lists.fold(RoaringBitmap::new(), |union, things| union | things)
            };
            let matching = match &requirement.operator {
                Operator::In(values) => one_of(values),
                Operator::NotIn(values) => &self.everything - one_of(values),
                Operator::Exists => index.present.clone(),
                Operator::DoesNotExist => &self.everything - &index.present,
            };
            selected = Some(match selected {
                Some(selected) => selected & matching,
                None => matching,
            });
        }
        selected.unwrap_or_else(|| self.everything.clone())
    }
}
