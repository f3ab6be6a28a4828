//! From a remote to a file: as often as it takes, and never a byte twice that is there already.

use super::partial::{Origin, Partial};
use super::problem::{Problem, Result, Tries};
use super::progress::Progress;
use super::remote::{Known, Remote, Reply, Rest};
use anyhow::anyhow;
use everboot_core::verbs::Exit;
use std::path::Path;

/// Fetches it; returns how many bytes it has. What breaks off is gone on with; tries count anew when more is there than
/// ever before, so that a server that refuses ranges and breaks off does not keep us for ever.
pub(crate) fn download(
    remote: &mut dyn Remote,
    output: &Path,
    mut tries: Tries,
    progress: &mut Progress,
) -> Result<u64> {
    let source = remote.source();
    let mut part = Partial::take(output, &[&source])?;
    let mut furthest = part.len();
    loop {
        match attempt(remote, &mut part, progress) {
            Ok(()) => break,
            Err(problem) => {
                if part.len() > furthest {
                    furthest = part.len();
                    tries.renew();
                }
                progress.end();
                tries.again(problem.context(source.split(" sha256:").next().unwrap_or_default()))?;
            }
        }
    }
    let len = part.len();
    part.finish()?;
    progress.end();
    Ok(len)
}

fn attempt(remote: &mut dyn Remote, part: &mut Partial, progress: &mut Progress) -> Result<()> {
    let (source, known) = (remote.source(), remote.known());
    let rest = rest(part, &known);
    let Some(mut reply) = remote.ask(rest.as_ref(), None)? else {
        part.forget()?;
        return Err(changed());
    };
    let total = total(&known, &reply)?;
    // Whoever sends a rest need not say again what it is the rest of.
    let same = rest.filter(|_| reply.from > 0).and_then(|rest| rest.validator);
    let origin = Origin { source, validator: reply.validator.take().or(same), total };
    match reply.from {
        0 => part.begin(origin)?,
        // The server was asked for the rest of this alone; not every server understands that.
        _ if part.origin() != Some(&origin) => {
            part.forget()?;
            return Err(changed());
        }
        from => part.set_len(from)?,
    }
    total.map_or(Ok(()), |total| part.check_free_space(total))?;
    let is_rest = reply.from > 0;
    while let Some(bytes) = (reply.body)()? {
        part.append(&bytes)?;
        progress.show(part.len(), total);
        if total.is_some_and(|total| part.len() > total) {
            break;
        }
    }
    check(part, total, &known, is_rest)
}

/// The rest to ask for, when the server or a checksum can show that it belongs to what is there. The last byte that is
/// there is asked for, too: so there is always one.
fn rest(part: &Partial, known: &Known) -> Option<Rest> {
    let origin = part.origin()?;
    let is_known = origin.validator.is_some() || known.sum.is_some();
    let from = part.len().saturating_sub(1);
    (is_known && from > 0).then(|| Rest { from, validator: origin.validator.clone() })
}

fn changed() -> Problem {
    Problem::passing(anyhow!("the partial download does not belong to the file that the server has now"))
}

/// How long the whole is, by all who say something about it.
fn total(known: &Known, reply: &Reply<'_>) -> Result<Option<u64>> {
    match (known.len, reply.total) {
        (Some(expected), Some(found)) if expected != found => Err(wrong_len(expected, found)),
        (known, said) => Ok(known.or(said)),
    }
}

fn wrong_len(expected: u64, found: u64) -> Problem {
    Problem::lasting(Exit::Untrusted, anyhow!("expected {expected} bytes, found {found}"))
}

/// Whether what has come is what was to come. What is wrong is forgotten.
fn check(part: &mut Partial, total: Option<u64>, known: &Known, is_rest: bool) -> Result<()> {
    if let Some(total) = total.filter(|total| part.len() < *total) {
        let text = format!("the connection broke off: expected {total} bytes, found {}", part.len());
        return Err(Problem::passing(anyhow!(text)));
    }
    let found = part.len();
    if let Some(total) = total.filter(|total| found > *total) {
        part.forget()?;
        return Err(wrong_len(total, found));
    }
    let Some(expected) = known.sum else { return Ok(()) };
    let found = part.sum()?;
    if found == expected {
        return Ok(());
    }
    part.forget()?;
    let error = anyhow!("expected sha256:{expected}, found sha256:{found}");
    // What was there before may be the wrong part.
    Err(if is_rest { Problem::passing(error) } else { Problem::lasting(Exit::Untrusted, error) })
}
