//! Blobs in an S3 bucket: `<prefix>/ab/cd/<sha256>`.
//!
//! An object appears only when its upload is completed, and it is completed only when the very bytes that were sent
//! hash to its name. Every read names the ETag (and the version) that was recorded, and the answer is checked against
//! it too, because some services ignore If-Match. Never hands out a link to the bucket, and never takes a credential
//! from the url: urls are shown and logged. An upload that a crash leaves behind is for the bucket's lifecycle rule.

use std::{
    fs::File,
    ops::Range,
    os::unix::fs::FileExt,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use object_store::{
    ClientOptions, Error, GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload,
    RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    path::Path,
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::domain::{digest::Sha256, refusal::Fault};

use super::{
    hash::Hasher,
    seal::{Mark, Seal},
    trouble::{ReadTrouble, blocking, bucket_fault, io_fault},
};

#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) store: Arc<AmazonS3>,
    prefix: Path,
    /// MiB of upload parts in memory, over all uploads.
    parts: Arc<Semaphore>,
}

impl Bucket {
    pub(super) async fn open(url: &str) -> Result<Self, Fault> {
        let (builder, prefix) = configure(url)?;
        Self::start(builder, prefix).await
    }

    pub(super) async fn start(builder: AmazonS3Builder, prefix: Path) -> Result<Self, Fault> {
        let store = builder.build().map_err(|e| bucket_fault("opening the bucket", e))?;
        let bucket = Self { store: Arc::new(store), prefix, parts: Arc::new(Semaphore::new(PARTS_MIB as usize)) };
        // The same bytes under the same name by every replica, so that none can disturb another.
        let probe = bucket.prefix.clone().join("probe");
        bucket
            .store
            .put(&probe, PutPayload::from_static(b"probe"))
            .await
            .map_err(|e| bucket_fault("writing a probe into the bucket", e))?;
        let meta = bucket.store.head(&probe).await.map_err(|e| bucket_fault("reading the probe back", e))?;
        sealed(meta).map(|_| bucket)
    }

    pub(super) async fn seal(&self, sha: Sha256) -> Result<Option<Seal>, Fault> {
        match self.store.head(&self.path(sha)).await {
            Ok(meta) => sealed(meta).map(Some),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(bucket_fault(format!("looking at blob {sha} in the bucket"), error)),
        }
    }

    pub(super) async fn read(&self, sha: Sha256, seal: &Seal, range: Range<u64>) -> Result<BucketReader, ReadTrouble> {
        let (bucket, seal) = (self.clone(), seal.clone());
        let flow = Flow::Open(bucket.get(sha, &seal, range.clone()).await?);
        Ok(BucketReader { bucket, sha, seal, at: range.start, end: range.end, flow, tries: 0 })
    }

    /// Uploads a verified spool. `size` is what was hashed; the file is hashed once more as it is sent.
    pub(super) async fn upload(&self, sha: Sha256, file: Arc<File>, size: u64) -> Result<Seal, Fault> {
        let path = self.path(sha);
        let doing = |error| bucket_fault(format!("uploading blob {sha}"), error);
        let part = part_size(size);
        let put = if size <= part {
            let _permit = self.permit(size).await?;
            let (bytes, hasher) = read_part(file, Hasher::new(None), 0..size).await?;
            agree(hasher, sha)?;
            self.store.put(&path, PutPayload::from_bytes(bytes)).await.map_err(doing)?
        } else {
            let mut upload = self.store.put_multipart(&path).await.map_err(doing)?;
            match self.send_parts(upload.as_mut(), sha, file, size).await {
                Ok(()) => upload.complete().await.map_err(doing)?,
                Err(fault) => {
                    if let Err(error) = upload.abort().await {
                        tracing::warn!(blob = %sha, %error, "an upload could not be aborted; its parts remain");
                    }
                    return Err(fault);
                }
            }
        };
        // Asked for again because not every service names the ETag when a multipart upload completes.
        let seal = self.seal(sha).await?.filter(|seal| seal.size() == size);
        let same = |seal: &Seal| match (&seal.mark, &put.e_tag) {
            (Mark::Bucket { etag, .. }, Some(ours)) => etag == ours,
            _ => true,
        };
        seal.filter(same).ok_or_else(|| {
            Fault::new(format!("uploading blob {sha}: the bucket holds something else than was sent")).passing()
        })
    }

    pub(super) async fn remove(&self, sha: Sha256) -> Result<(), Fault> {
        match self.store.delete(&self.path(sha)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(bucket_fault(format!("removing blob {sha} from the bucket"), error)),
        }
    }

    async fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        sha: Sha256,
        file: Arc<File>,
        size: u64,
    ) -> Result<(), Fault> {
        let mut sending = JoinSet::new();
        let mut hasher = Hasher::new(None);
        let doing = |error| bucket_fault(format!("uploading blob {sha}"), error);
        let part = part_size(size);
        let mut start = 0;
        while start < size {
            let end = size.min(start + part);
            let permit = self.permit(end - start).await?;
            let (bytes, so_far) = read_part(Arc::clone(&file), hasher, start..end).await?;
            (hasher, start) = (so_far, end);
            let put = upload.put_part(PutPayload::from_bytes(bytes));
            sending.spawn(async move {
                let _permit = permit;
                put.await
            });
            while let Some(sent) = sending.try_join_next() {
                sent.map_err(|e| doing(e.into()))?.map_err(doing)?;
            }
        }
        while let Some(sent) = sending.join_next().await {
            sent.map_err(|e| doing(e.into()))?.map_err(doing)?;
        }
        agree(hasher, sha)
    }

    async fn permit(&self, bytes: u64) -> Result<tokio::sync::OwnedSemaphorePermit, Fault> {
        let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(PARTS_MIB).min(PARTS_MIB);
        let permit = Arc::clone(&self.parts).acquire_many_owned(mib).await;
        permit.map_err(|e| Fault::because("waiting to upload", e))
    }

    async fn get(&self, sha: Sha256, seal: &Seal, range: Range<u64>) -> Result<Chunks, ReadTrouble> {
        let Mark::Bucket { etag, version } = &seal.mark else { return Err(ReadTrouble::Changed) };
        let options = GetOptions {
            if_match: Some(etag.clone()),
            version: version.clone(),
            head: range.is_empty(),
            range: (!range.is_empty()).then_some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = match self.store.get_opts(&self.path(sha), options).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Err(ReadTrouble::Absent),
            Err(Error::Precondition { .. }) => return Err(ReadTrouble::Changed),
            Err(error) => return Err(bucket_fault(format!("reading blob {sha} from the bucket"), error).into()),
        };
        if found.meta.size != seal.size() || found.meta.e_tag.as_ref() != Some(etag) {
            return Err(ReadTrouble::Changed);
        }
        Ok(found.into_stream())
    }

    pub(super) fn path(&self, sha: Sha256) -> Path {
        let name = sha.to_string();
        self.prefix.clone().join(&name[..2]).join(&name[2..4]).join(name.as_str())
    }
}

type Chunks = BoxStream<'static, Result<Bytes, Error>>;

/// A stream out of the bucket that is taken up again where it broke: a slow client outlives the patience of any server.
pub(super) struct BucketReader {
    bucket: Bucket,
    sha: Sha256,
    seal: Seal,
    at: u64,
    end: u64,
    flow: Flow,
    /// Since the last byte that came.
    tries: u32,
}

enum Flow {
    Open(Chunks),
    Opening(BoxFuture<'static, Result<Chunks, ReadTrouble>>),
}

impl BucketReader {
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Fault>> {
        loop {
            let broken = match &mut self.flow {
                Flow::Opening(opening) => match ready!(opening.poll_unpin(cx)) {
                    Ok(chunks) => {
                        self.flow = Flow::Open(chunks);
                        continue;
                    }
                    Err(ReadTrouble::Fault(fault)) if fault.passing => fault,
                    Err(ReadTrouble::Fault(fault)) => return Poll::Ready(Err(fault)),
                    Err(ReadTrouble::Absent | ReadTrouble::Changed) => {
                        return Poll::Ready(Err(Fault::new(format!(
                            "reading blob {} at {}: it was changed or removed while it was read",
                            self.sha, self.at
                        ))));
                    }
                },
                Flow::Open(chunks) => match ready!(chunks.poll_next_unpin(cx)) {
                    Some(Ok(chunk)) if chunk.is_empty() => continue,
                    Some(Ok(chunk)) => return Poll::Ready(self.take(chunk)),
                    Some(Err(error)) => {
                        bucket_fault(format!("reading blob {} at {}", self.sha, self.at), error).passing()
                    }
                    None => Fault::new(format!("reading blob {} at {}: it ended early", self.sha, self.at)).passing(),
                },
            };
            if self.tries == TRIES {
                return Poll::Ready(Err(broken));
            }
            tracing::info!(blob = %self.sha, at = self.at, %broken, "taking up a broken read from the bucket");
            self.flow = self.reopen();
            self.tries += 1;
        }
    }

    fn take(&mut self, chunk: Bytes) -> Result<Bytes, Fault> {
        if chunk.len() as u64 > self.end - self.at {
            return Err(Fault::new(format!("reading blob {}: the bucket sent more than was asked for", self.sha)));
        }
        self.at += chunk.len() as u64;
        self.tries = 0;
        Ok(chunk)
    }

    fn reopen(&self) -> Flow {
        let (bucket, sha, seal, range) = (self.bucket.clone(), self.sha, self.seal.clone(), self.at..self.end);
        let pause = PAUSE * 2_u32.pow(self.tries);
        Flow::Opening(
            async move {
                tokio::time::sleep(pause).await;
                bucket.get(sha, &seal, range).await
            }
            .boxed(),
        )
    }
}

pub(super) fn configure(url: &str) -> Result<(AmazonS3Builder, Path), Fault> {
    let doing = "reading the url of the bucket";
    let url = url::Url::parse(url).map_err(|e| Fault::because(doing, e))?;
    let Some(name) = url.host_str().filter(|_| url.username().is_empty() && url.port().is_none()) else {
        return Err(Fault::new(format!("{doing}: it must be s3://<bucket>/<prefix>")));
    };
    // No time-out for a whole answer: a large blob to a slow client takes hours. What is watched is each read.
    let client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(5))
        .with_read_timeout(Duration::from_mins(1));
    let retry = RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(name).with_client_options(client).with_retry(retry);
    for (key, value) in url.query_pairs() {
        let known = match key.as_ref() {
            "endpoint" => AmazonS3ConfigKey::Endpoint,
            "region" => AmazonS3ConfigKey::Region,
            "allow_http" => AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp),
            "virtual_hosted_style_request" => AmazonS3ConfigKey::VirtualHostedStyleRequest,
            _ => {
                return Err(Fault::new(format!(
                    "{doing}: '{key}' is not one of endpoint, region, allow_http, virtual_hosted_style_request; \
                     credentials come from the environment"
                )));
            }
        };
        builder = builder.with_config(known, value);
    }
    let prefix = Path::from_url_path(url.path()).map_err(|e| Fault::because(doing, e))?;
    Ok((builder, prefix))
}

fn sealed(meta: ObjectMeta) -> Result<Seal, Fault> {
    let Some(etag) = meta.e_tag.filter(|etag| !etag.starts_with("W/") && !etag.is_empty()) else {
        return Err(Fault::new("looking into the bucket: it gives no strong ETag, so a change would not show"));
    };
    Ok(Seal::of_object(meta.size, etag, meta.version))
}

async fn read_part(file: Arc<File>, mut hasher: Hasher, range: Range<u64>) -> Result<(Bytes, Hasher), Fault> {
    blocking("reading a spool", move || {
        let len = usize::try_from(range.end - range.start).map_err(|e| Fault::because("reading a spool", e))?;
        let mut buffer = vec![0; len];
        file.read_exact_at(&mut buffer, range.start).map_err(|e| io_fault("reading a spool", e))?;
        hasher.update(&buffer);
        Ok((Bytes::from(buffer), hasher))
    })
    .await
}

fn agree(hasher: Hasher, sha: Sha256) -> Result<(), Fault> {
    let sent = hasher.finish().sha256;
    if sent == sha {
        return Ok(());
    }
    Err(Fault::new(format!("uploading blob {sha}: the spool now reads as {sent}")).passing())
}

/// At most 10,000 parts are allowed, and equal parts are what every service takes.
fn part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(9_000).next_multiple_of(MIB))
}

const MIB: u64 = 1 << 20;
const PART: u64 = 8 * MIB;
const PARTS_MIB: u32 = 64;
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
