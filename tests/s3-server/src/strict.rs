//! The files of s3s-fs, with what it leaves out: If-Match on reads.
//!
//! Never changes what is stored.

use std::path::Path;

use s3s::{
    S3, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
        DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, ETag, ETagCondition, GetObjectInput,
        GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input,
        ListObjectsV2Output, ListPartsInput, ListPartsOutput, PutObjectInput, PutObjectOutput, UploadPartInput,
        UploadPartOutput,
    },
    s3_error,
};
use s3s_fs::FileSystem;

pub(crate) struct Strict(FileSystem);

impl Strict {
    pub(crate) fn open(folder: impl AsRef<Path>) -> Result<Self, s3s_fs::Error> {
        FileSystem::new(folder).map(Self)
    }
}

macro_rules! pass_on {
    ($($operation:ident: $input:ty => $output:ty;)*) => {
        #[async_trait::async_trait]
        impl S3 for Strict {
            $(async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.0.$operation(request).await
            })*

            async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
                let asked = request.input.if_match.clone();
                let found = self.0.get_object(request).await?;
                holds(asked.as_ref(), found.output.e_tag.as_ref())?;
                Ok(found)
            }

            async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
                let asked = request.input.if_match.clone();
                let found = self.0.head_object(request).await?;
                holds(asked.as_ref(), found.output.e_tag.as_ref())?;
                Ok(found)
            }
        }
    };
}

pass_on! {
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput;
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput;
    delete_object: DeleteObjectInput => DeleteObjectOutput;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput;
    head_bucket: HeadBucketInput => HeadBucketOutput;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output;
    list_parts: ListPartsInput => ListPartsOutput;
    put_object: PutObjectInput => PutObjectOutput;
    upload_part: UploadPartInput => UploadPartOutput;
}

fn holds(asked: Option<&ETagCondition>, is: Option<&ETag>) -> S3Result<()> {
    match (asked, is) {
        (Some(ETagCondition::ETag(asked)), Some(is)) if is.strong_cmp(asked) => Ok(()),
        (Some(ETagCondition::ETag(_)), _) => Err(s3_error!(PreconditionFailed)),
        _ => Ok(()),
    }
}
