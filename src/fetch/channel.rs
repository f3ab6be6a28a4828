//! The newest bundle for this machine out of a channel.

use super::problem::{Problem, Result, Tries};
use super::remote::Known;
use super::source::Source;
use super::web::Web;
use super::{settings, state};
use anyhow::{Context, anyhow};
use everboot_core::channel::{Channel, Choice, LIST_MAX, Offer};
use everboot_core::verbs::Exit;
use everboot_fetch::arguments::Arguments;
use everboot_storage::bundle::{Keys, SIGNATURE_MAX, TrustError};
use reqwest::Url;

/// What a channel has for this machine.
pub(crate) struct Chosen {
    pub(crate) version: String,
    pub(crate) source: Source,
    pub(crate) known: Known,
}

/// Chooses it; nothing when nothing is newer than what is installed.
pub(crate) fn choose(url: &Url, arguments: &Arguments, tries: Tries) -> Result<Option<Chosen>> {
    let (keys, compatible) = (settings::keys(&arguments.keys())?, settings::machine_type(arguments)?);
    let named = || format!("channel:{url}");
    let untrusted = |error: anyhow::Error| Problem::lasting(Exit::Untrusted, error).context(named());
    let bytes = read(url, &keys, tries).map_err(|problem| problem.context(named()))?;
    let channel = Channel::parse(&bytes).map_err(|error| untrusted(error.into()))?;
    if let Some(path) = &arguments.state {
        state::advance(path, &channel).map_err(|problem| problem.context(named()))?;
    }
    let installed = arguments.installed.as_deref();
    let unfit = |text: String| Problem::lasting(Exit::Unfit, anyhow!(text)).context(named());
    match channel.choose(&compatible, installed, &arguments.failed) {
        Choice::Take(offer) => locate(offer, url).map(Some).map_err(untrusted),
        Choice::UpToDate => {
            println!("nothing newer than {}", installed.unwrap_or_default());
            Ok(None)
        }
        Choice::Failed(offer) => {
            println!("version {} has failed on this machine, and there is nothing newer", offer.version);
            Ok(None)
        }
        Choice::NotFrom(offer) => Err(unfit(format!(
            "no bundle may be installed over {}: {}, the newest, upgrades {} only",
            installed.unwrap_or_default(),
            offer.version,
            offer.upgrade_from.iter().flatten().cloned().collect::<Vec<_>>().join(",")
        ))),
        Choice::Nothing => Err(unfit(format!("it has no bundle for machine type {compatible:?}"))),
    }
}

/// The list, signed by one of the keys. List and signature are two files: when they do not belong together the list may
/// have changed in between, so both are read once more.
fn read(url: &Url, keys: &Keys, tries: Tries) -> Result<Vec<u8>> {
    let mut signature_url = url.clone();
    signature_url.set_path(&format!("{}.minisig", url.path()));
    let web = Web::new()?;
    let read =
        || tries.with_retries(|| Ok((web.text(url, LIST_MAX)?, web.text(&signature_url, SIGNATURE_MAX)?)));
    let (mut list, mut signature) = read()?;
    let mut verdict = keys.check(&list, &signature);
    if let Err(TrustError::Forged) = verdict {
        (list, signature) = read()?;
        verdict = keys.check(&list, &signature);
    }
    match verdict {
        Ok(()) => Ok(list),
        Err(TrustError::Forged) => {
            Err(Problem::lasting(Exit::Untrusted, anyhow!("signature: it belongs to something else")))
        }
        Err(error) => Err(Problem::lasting(Exit::Untrusted, error)),
    }
}

fn locate(offer: &Offer, channel: &Url) -> anyhow::Result<Chosen> {
    let known = Known { sum: Some(offer.sum()?), manifest: offer.manifest()?, len: Some(offer.size) };
    let source = match offer.url.strip_prefix("oci:") {
        Some(name) => Source::Registry(name.to_owned()),
        None => Source::web(channel.join(&offer.url).with_context(|| offer.url.clone())?)?,
    };
    Ok(Chosen { version: offer.version.clone(), source, known })
}
