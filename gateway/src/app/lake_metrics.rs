//! The lake's counts, for Prometheus: read when it scrapes, kept by the lake.

use bellgate_lake::{LakeStats, LakeWatch, Table};
use bellgate_telemetry::Why;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGauge, Opts};

/// A collector over a running lake.
pub(crate) struct LakeMetrics {
    watch: LakeWatch,
    /// Kept for their descriptions; every scrape fills copies.
    shapes: Shapes,
}

struct Shapes {
    rows: IntCounterVec,
    dropped: IntCounterVec,
    quarantined: IntCounterVec,
    files: IntCounterVec,
    errors: IntCounterVec,
    pending: IntGauge,
}

impl LakeMetrics {
    /// Metrics of the lake behind `watch`.
    ///
    /// # Errors
    ///
    /// When a name is not one that Prometheus takes: a mistake in this file, found at start.
    pub(crate) fn new(watch: LakeWatch) -> Result<Self, prometheus::Error> {
        Ok(Self { watch, shapes: Shapes::new()? })
    }
}

impl Shapes {
    fn new() -> Result<Self, prometheus::Error> {
        let counter = |name, help, tags: &[&str]| IntCounterVec::new(Opts::new(name, help), tags);
        Ok(Self {
            rows: counter("bellgate_lake_rows_total", "Rows in files, by table.", &["table"])?,
            dropped: counter("bellgate_lake_rows_dropped_total", "Rows dropped because the disk refused.", &["table"])?,
            quarantined: counter("bellgate_lake_quarantined_total", "Records in quarantine, by reason.", &["reason"])?,
            files: counter("bellgate_lake_files_total", "Files written.", &[])?,
            errors: counter("bellgate_lake_errors_total", "Attempts to write a file that failed.", &[])?,
            pending: IntGauge::new("bellgate_lake_rows_pending", "Rows in memory, waiting for their file.")?,
        })
    }

    fn filled(stats: &LakeStats) -> Result<Self, prometheus::Error> {
        let shapes = Self::new()?;
        for table in Table::ALL {
            shapes.rows.with_label_values(&[table.as_str()]).inc_by(stats.written(table));
            shapes.dropped.with_label_values(&[table.as_str()]).inc_by(stats.dropped(table));
        }
        for why in Why::ALL {
            shapes.quarantined.with_label_values(&[why.code()]).inc_by(stats.quarantined(why));
        }
        shapes.files.with_label_values::<&str>(&[]).inc_by(stats.files);
        shapes.errors.with_label_values::<&str>(&[]).inc_by(stats.errors);
        shapes.pending.set(i64::try_from(stats.pending).unwrap_or(i64::MAX));
        Ok(shapes)
    }

    fn each(&self) -> [&dyn Collector; 6] {
        [&self.rows, &self.dropped, &self.quarantined, &self.files, &self.errors, &self.pending]
    }
}

impl Collector for LakeMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.shapes.each().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        match Shapes::filled(&self.watch.stats()) {
            Ok(shapes) => shapes.each().into_iter().flat_map(Collector::collect).collect(),
            Err(error) => {
                log::error!("the lake's metrics: {error}");
                Vec::new()
            }
        }
    }
}
