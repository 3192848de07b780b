//! Reads segments for DataFusion: footers from a cache bounded in bytes, everything else from the file by position.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::FutureExt;
use futures::future::BoxFuture;
use moka::sync::Cache;
use parapet_store::Segment;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

/// Footers of segments, page indexes included, by segment. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Footers {
    cache: Cache<u128, Arc<ParquetMetaData>>,
}

impl Footers {
    /// Keeps at most `bytes` of decoded footers; the least used go first.
    pub(crate) fn new(bytes: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(bytes)
            .weigher(|_, footer: &Arc<ParquetMetaData>| {
                u32::try_from(footer.memory_size()).unwrap_or(u32::MAX)
            })
            .build();
        Self { cache }
    }

    /// Blocking: reads the file unless the footer is there.
    fn load(&self, segment: &Segment) -> Result<Arc<ParquetMetaData>, ParquetError> {
        let load = || {
            let file = File::open(&segment.path)?;
            let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
            reader.parse_and_finish(&file).map(Arc::new)
        };
        self.cache
            .try_get_with(segment.id.into(), load)
            .map_err(|error: Arc<ParquetError>| ParquetError::External(Box::new(error)))
    }
}

impl ParquetFileReaderFactory for Footers {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let segment = file.extension::<Arc<Segment>>().cloned();
        let segment = segment.ok_or_else(|| DataFusionError::Internal("a file that is no segment".into()))?;
        let scanned = MetricBuilder::new(metrics).counter("bytes_scanned", partition_index);
        Ok(Box::new(SegmentReader { footers: self.clone(), segment, file: None, scanned }))
    }
}

/// Reads one segment. Holds it, so that its file stays until the scan is over.
struct SegmentReader {
    footers: Footers,
    segment: Arc<Segment>,
    file: Option<Arc<File>>,
    scanned: Count,
}

impl SegmentReader {
    async fn read(&mut self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>, ParquetError> {
        let (segment, file) = (Arc::clone(&self.segment), self.file.clone());
        let (file, bytes) = blocking(move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(File::open(&segment.path)?),
            };
            let bytes = ranges.into_iter().map(|range| read(&file, range)).collect::<io::Result<Vec<_>>>()?;
            Ok((file, bytes))
        })
        .await?;
        self.file = Some(file);
        self.scanned.add(bytes.iter().map(Bytes::len).sum());
        Ok(bytes)
    }
}

impl AsyncFileReader for SegmentReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { Ok(self.read(vec![range]).await?.remove(0)) }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        self.read(ranges).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let (footers, segment) = (self.footers.clone(), Arc::clone(&self.segment));
        async move {
            if let Some(footer) = footers.cache.get(&u128::from(segment.id)) {
                return Ok(footer);
            }
            blocking(move || footers.load(&segment)).await
        }
        .boxed()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ParquetError> + Send + 'static,
) -> Result<T, ParquetError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ParquetError::External(Box::new(error)))?
}

fn read(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}
