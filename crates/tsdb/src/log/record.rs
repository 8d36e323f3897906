//! What a record of samples holds, in `docs/formats/wal.md`'s form.

use super::varint;

const SAMPLES: u8 = 1;

/// A sample on its way to the log and the head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    /// A [`model::SeriesId`]'s number.
    pub(crate) id: u64,
    pub(crate) t: i64,
    pub(crate) v: f64,
}

/// Writes a batch; it is not empty.
pub(crate) fn encode(items: &[Item], out: &mut Vec<u8>) {
    let base = items[0].t;
    let spread = items.iter().any(|item| item.t != base);
    out.reserve(items.len() * 10 + 32);
    out.push(SAMPLES);
    varint::put(out, items.len() as u64);
    out.extend_from_slice(&base.to_le_bytes());
    out.push(u8::from(spread));
    let mut last = 0u64;
    for item in items {
        varint::put_signed(out, item.id.wrapping_sub(last) as i64);
        last = item.id;
    }
    if spread {
        let mut last = base;
        for item in items {
            varint::put_signed(out, item.t.wrapping_sub(last));
            last = item.t;
        }
    }
    for item in items {
        out.extend_from_slice(&item.v.to_bits().to_le_bytes());
    }
}

/// Reads a batch into `items`; `None` if the bytes are not one.
pub(crate) fn decode(mut bytes: &[u8], items: &mut Vec<Item>) -> Option<()> {
    items.clear();
    let rest = &mut bytes;
    if take::<1>(rest)? != [SAMPLES] {
        return None;
    }
    let count = usize::try_from(varint::take(rest)?).ok()?;
    let base = i64::from_le_bytes(take(rest)?);
    let [spread] = take(rest)?;
    // Each sample takes nine bytes at least, so a false count cannot ask for memory that is not there.
    if count > rest.len() / 9 {
        return None;
    }
    let mut id = 0u64;
    for _ in 0..count {
        id = id.wrapping_add(varint::take_signed(rest)? as u64);
        items.push(Item { id, t: base, v: 0.0 });
    }
    if spread == 1 {
        let mut t = base;
        for item in items.iter_mut() {
            t = t.wrapping_add(varint::take_signed(rest)?);
            item.t = t;
        }
    }
    for item in items.iter_mut() {
        item.v = f64::from_bits(u64::from_le_bytes(take(rest)?));
    }
    rest.is_empty().then_some(())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(batch in prop::collection::vec((any::<u64>(), any::<i64>(), any::<u64>()), 1..50), one_time in any::<bool>()) {
            let items: Vec<Item> = batch
                .iter()
                .map(|(id, t, bits)| Item { id: *id, t: if one_time { 7 } else { *t }, v: f64::from_bits(*bits) })
                .collect();
            let (mut bytes, mut back) = (Vec::new(), Vec::new());
            encode(&items, &mut bytes);
            prop_assert!(decode(&bytes, &mut back).is_some());
            let form = |items: &[Item]| items.iter().map(|i| (i.id, i.t, i.v.to_bits())).collect::<Vec<_>>();
            prop_assert_eq!(form(&items), form(&back));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, &mut Vec::new());
            let _ = decode(&[&[SAMPLES, 5][..], &bytes].concat(), &mut Vec::new());
        }
    }
}
