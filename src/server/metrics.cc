#include "server/metrics.h"

#include <unistd.h>

#include <cstdio>

namespace millrace::server {
namespace {

double number(uint64_t value) {
  return static_cast<double>(value);
}

/// Of this process, from the second number of /proc/self/statm.
double resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) {
    return 0;
  }
  unsigned long long pages = 0;
  const bool is_read = std::fscanf(file, "%*u %llu", &pages) == 1;
  static_cast<void>(std::fclose(file));
  return is_read ? number(pages) * static_cast<double>(::sysconf(_SC_PAGE_SIZE)) : 0;
}

void add_journal(Metrics& metrics, const journal::JournalLog& log) {
  const journal::WriterCounters& counters = log.counters();
  metrics.add_counter("millrace_journal_runs_total", "Runs written.", {},
                      [&] { return number(counters.runs); });
  metrics.add_counter("millrace_journal_frames_total", "Batches and system frames written.", {},
                      [&] { return number(counters.frames); });
  metrics.add_counter("millrace_journal_written_bytes_total", "Bytes of runs written.", {},
                      [&] { return number(counters.bytes); });
  metrics.add_histogram("millrace_journal_run_bytes", "Size of runs.", counters.run_bytes);
  metrics.add_histogram("millrace_journal_run_records",
                        "Records of runs; offsets given up at a start count.",
                        counters.run_records);
  metrics.add_histogram("millrace_journal_wait_seconds",
                        "Time of commits in the queue, until their run was begun.", counters.wait);
  metrics.add_histogram("millrace_journal_gather_seconds",
                        "Time to make runs: offsets, producers, frames.", counters.gather);
  metrics.add_histogram("millrace_journal_write_seconds", "Time to hand runs to the system.",
                        counters.write);
  metrics.add_histogram("millrace_journal_sync_seconds", "Time of the syncs of runs.",
                        counters.sync);
  metrics.add_gauge("millrace_journal_queued_bytes", "Commits that wait for their run.", {},
                    [&] { return static_cast<double>(log.queued_bytes()); });
  metrics.add_gauge("millrace_journal_unsynced_bytes",
                    "Runs of durability=interval topics that were acknowledged and not synced yet.",
                    {}, [&] { return number(counters.unsynced_bytes); });
  metrics.add_gauge("millrace_journal_runs_in_flight", "Runs being written or synced.", {},
                    [&] { return number(counters.in_flight); });
  metrics.add_counter("millrace_journal_rotations_total", "Journal files begun.", {},
                      [&] { return number(counters.rotations); });
  metrics.add_counter("millrace_journal_files_freed_total", "Journal files no longer needed.", {},
                      [&] { return number(counters.files_freed); });
  metrics.add_counter("millrace_journal_files_recycled_total",
                      "Journal files used again after they were freed.", {},
                      [&] { return number(log.recycled()); });
  const journal::ChunkCache& chunks = log.chunks();
  const auto add_chunks = [&](const char* when, uint64_t (journal::ChunkCache::*count)() const) {
    metrics.add_counter(
        "millrace_journal_chunk_reads_total",
        "Pieces of journal files read, chunks and batches above 128 KiB, by `when`: asked by a "
        "reader, ahead of it, or failed for want of memory.",
        {{"when", when}}, [&chunks, count] { return number((chunks.*count)()); });
  };
  add_chunks("asked", &journal::ChunkCache::reads);
  add_chunks("ahead", &journal::ChunkCache::reads_ahead);
  add_chunks("failed", &journal::ChunkCache::failures);
  metrics.add_gauge("millrace_journal_bytes", "Disk that journal files take.", {},
                    [&] { return number(log.total_bytes()); });
  metrics.add_gauge("millrace_journal_max_bytes", "Disk that journal files may take.", {},
                    [&] { return number(log.max_bytes()); });
  metrics.add_counter("millrace_journal_refused_total", "Commits refused for want of room.", {},
                      [&] { return number(counters.refused); });
  metrics.add_gauge("millrace_journal_full",
                    "1 while writes are refused for want of room, in the journal or on the disk.",
                    {}, [&] { return log.full() ? 1.0 : 0.0; });
  metrics.add_gauge("millrace_journal_read_only",
                    "1 after a failed write or sync, until the next start.", {},
                    [&] { return log.is_poisoned() ? 1.0 : 0.0; });
}

void add_pins(Metrics& metrics, const broker::Broker& broker) {
  metrics.add_gauges("millrace_journal_pinned_bytes",
                     "By `topic`: its bytes in the oldest journal file, which is kept for it. Only "
                     "while the journal takes more than 80 % of its budget.",
                     [&] {
                       std::vector<std::pair<Metrics::Labels, double>> pinned;
                       for (const broker::Pin& pin : broker.pins()) {
                         pinned.emplace_back(Metrics::Labels{{"topic", pin.topic->name()}},
                                             number(pin.bytes));
                       }
                       return pinned;
                     });
}

void add_scrub(Metrics& metrics, const broker::Scrub& scrub) {
  metrics.add_counter("millrace_scrub_read_bytes_total",
                      "Bytes of journal files and segment objects read to find damage.", {},
                      [&] { return number(scrub.read_bytes()); });
  metrics.add_counter("millrace_scrub_passes_total", "Times that all of them were read.", {},
                      [&] { return number(scrub.passes()); });
  metrics.add_counter("millrace_scrub_damaged_total",
                      "Damaged places found, each once; the log names them.", {},
                      [&] { return number(scrub.damaged()); });
  metrics.add_gauge("millrace_scrub_damaged",
                    "Damaged places that the last whole pass met, or the one under way if more.",
                    {}, [&] { return number(scrub.damaged_now()); });
  metrics.add_gauge("millrace_scrub_age_seconds",
                    "Time since the last whole pass, or since the start where there was none.", {},
                    [&] { return scrub.age().count(); });
}

void add_segments(Metrics& metrics, const broker::Segments& segments,
                  const broker::History& history, const journal::JournalLog& log) {
  metrics.add_counter("millrace_read_failures_total",
                      "Reads of the journal and of segment objects that met damage or a failing "
                      "disk; the log names the places.",
                      {}, [&] { return number(log.read_failures() + history.read_failures()); });
  const broker::SegmentMakerCounters& archived = segments.archived();
  metrics.add_gauge("millrace_segment_objects", "Segment objects that the catalog names.", {},
                    [&] { return number(history.size().objects); });
  metrics.add_gauge("millrace_segment_bytes", "Bytes of those objects.", {},
                    [&] { return number(history.size().bytes); });
  metrics.add_counter("millrace_segments_written_total", "Segment objects written.", {},
                      [&] { return number(archived.objects); });
  metrics.add_counter("millrace_segment_written_bytes_total", "Bytes of segment objects written.",
                      {}, [&] { return number(archived.bytes); });
  metrics.add_counter("millrace_segments_expired_total",
                      "Segment objects given up: all they held was expired, or of deleted topics.",
                      {}, [&] { return number(segments.expired()); });
  metrics.add_counter("millrace_segment_parts_expired_total",
                      "Parts of segment objects given up while another partition kept the object.",
                      {}, [&] { return number(segments.trimmed()); });
  const broker::SegmentMakerCounters& uploaded = segments.uploader().counters();
  metrics.add_counter("millrace_uploads_total",
                      "Objects written for durability=object topics, which clients wait for.", {},
                      [&] { return number(uploaded.objects); });
  metrics.add_counter("millrace_upload_bytes_total", "Bytes of those objects.", {},
                      [&] { return number(uploaded.bytes); });
  metrics.add_counter("millrace_upload_failures_total",
                      "Rounds of such objects that failed, to be tried again.", {},
                      [&] { return number(uploaded.failures); });
  metrics.add_counter("millrace_segment_failures_total",
                      "Segment objects that were not written, to be tried again.", {},
                      [&] { return number(archived.failures); });
  const broker::MergeCounters& merged = segments.merged();
  metrics.add_counter("millrace_segment_merges_total",
                      "Times that small segment objects were rewritten into larger ones.", {},
                      [&] { return number(merged.merges); });
  metrics.add_counter("millrace_segments_merged_total",
                      "Segment objects that were replaced in merges.", {},
                      [&] { return number(merged.replaced); });
  metrics.add_counter("millrace_segments_merge_written_total",
                      "Segment objects that merges wrote in their place.", {},
                      [&] { return number(merged.objects); });
  metrics.add_counter("millrace_segment_merge_written_bytes_total",
                      "Bytes of segment objects that merges wrote.", {},
                      [&] { return number(merged.bytes); });
  metrics.add_counter("millrace_segment_merge_failures_total",
                      "Merges that the store or the catalog ended, to be tried again.", {},
                      [&] { return number(merged.failures); });
}

/// Of the store that segment objects are in.
void add_store(Metrics& metrics, const objects::StoreCounters& counters) {
  for (size_t i = 0; i < objects::kRequestKinds; ++i) {
    metrics.add_counter("millrace_store_requests_total",
                        "Requests to the store of segment objects, by kind.",
                        {{"kind", std::string(name_of(static_cast<objects::RequestKind>(i)))}},
                        [&counters, i] { return number(counters.requests[i]); });
  }
  metrics.add_counter("millrace_store_read_bytes_total", "Bytes read from that store.", {},
                      [&] { return number(counters.bytes_read); });
  metrics.add_counter("millrace_store_written_bytes_total", "Bytes written to that store.", {},
                      [&] { return number(counters.bytes_written); });
  metrics.add_counter("millrace_store_failures_total", "Requests that failed, to be tried again.",
                      {}, [&] { return number(counters.failures); });
  metrics.add_gauge("millrace_store_dollars_per_terabyte",
                    "What the requests cost for each 10^12 bytes written, at the list prices of S3 "
                    "Standard in us-east-1; of a local directory, as if it were a bucket.",
                    {}, [&] { return cost_per_terabyte(counters).dollars; });
}

void add_cache(Metrics& metrics, const objects::CachedStore& cache) {
  const objects::CacheCounters& counters = cache.cache_counters();
  metrics.add_gauge("millrace_cache_bytes", "Disk that blocks of the bucket's objects take.", {},
                    [&] { return number(cache.cached_bytes()); });
  const auto add_reads = [&](const char* result, const std::atomic<uint64_t>& count) {
    metrics.add_counter("millrace_cache_reads_total",
                        "Blocks of objects that readers asked for, by `result`: hit on the disk, "
                        "miss.",
                        {{"result", result}}, [&count] { return number(count); });
  };
  add_reads("hit", counters.hits);
  add_reads("miss", counters.misses);
  const auto add_prefetch = [&](const char* result, const std::atomic<uint64_t>& count) {
    metrics.add_counter("millrace_cache_prefetch_total",
                        "Blocks read ahead of readers, by `result`: read, of them used or gone "
                        "unused, failed.",
                        {{"result", result}}, [&count] { return number(count); });
  };
  add_prefetch("read", counters.prefetched);
  add_prefetch("used", counters.prefetch_used);
  add_prefetch("unused", counters.prefetch_unused);
  add_prefetch("failed", counters.prefetch_failed);
  metrics.add_counter("millrace_cache_bad_blocks_total",
                      "Blocks on the disk that were damaged and read of the bucket again.", {},
                      [&] { return number(counters.bad_blocks); });
  metrics.add_counter("millrace_cache_not_kept_total", "Blocks that the disk did not take.", {},
                      [&] { return number(counters.not_kept); });
}

void add_ingest(Metrics& metrics, const ingest::IngestCounters& counters) {
  metrics.add_counter("millrace_ingest_requests_total", "Writes taken, by HTTP.", {},
                      [&] { return number(counters.requests); });
  metrics.add_counter("millrace_ingest_rows_total", "Rows that became durable.", {},
                      [&] { return number(counters.rows); });
  metrics.add_counter("millrace_ingest_bytes_total", "Payload of the writes taken.", {},
                      [&] { return number(counters.bytes); });
  metrics.add_counter("millrace_ingest_refused_total", "Writes refused whole.", {},
                      [&] { return number(counters.refused); });
  metrics.add_counter("millrace_ingest_duplicates_total",
                      "Writes whose batch id was known: answered, not written again.", {},
                      [&] { return number(counters.duplicates); });
  metrics.add_counter("millrace_ingest_bad_lines_total", "Lines of line protocol refused.", {},
                      [&] { return number(counters.bad_lines); });
}

void add_tables(Metrics& metrics, const tables::Tables& tables) {
  const tables::FlushCounters& counters = tables.flush_counters();
  for (size_t i = 0; i < tables::kFlushReasons; ++i) {
    const auto reason = static_cast<tables::FlushReason>(i);
    metrics.add_counter("millrace_table_flushes_total", "Flushes committed, by what caused them.",
                        {{"reason", std::string(name_of(reason))}},
                        [&counters, i] { return number(counters.flushes[i]); });
  }
  metrics.add_counter("millrace_table_flush_failures_total", "Flushes that failed; tried again.",
                      {}, [&] { return number(counters.failures); });
  metrics.add_counter("millrace_table_flushed_rows_total", "Rows that went into files.", {},
                      [&] { return number(counters.rows); });
  metrics.add_counter("millrace_table_files_total", "Parquet files written.", {},
                      [&] { return number(counters.files); });
  metrics.add_counter("millrace_table_file_bytes_total", "Bytes of Parquet files written.", {},
                      [&] { return number(counters.bytes); });
  const std::string of_flush = "Time of each flush to ";
  metrics.add_histogram("millrace_table_flush_sort_seconds", of_flush + "sort rows by time.",
                        counters.sort);
  metrics.add_histogram("millrace_table_flush_gather_seconds",
                        of_flush + "bring values into columns.", counters.gather);
  metrics.add_histogram("millrace_table_flush_encode_seconds",
                        of_flush + "encode and compress columns.", counters.encode);
  metrics.add_histogram("millrace_table_flush_write_seconds", of_flush + "write files.",
                        counters.write);
  metrics.add_histogram("millrace_table_flush_sync_seconds", of_flush + "sync and name files.",
                        counters.sync);
  metrics.add_histogram("millrace_table_flush_commit_seconds",
                        of_flush + "commit files to the catalog.", counters.commit);
  metrics.add_gauge("millrace_tables", "Tables there are.", {},
                    [&] { return number(tables.all().size()); });
  metrics.add_gauge("millrace_tables_rebuilding", "Tables being rebuilt from the log.", {},
                    [&] { return number(tables.replaying()); });
  metrics.add_gauge("millrace_tables_damaged", "Tables whose queries are an error: damage.", {},
                    [&] { return number(tables.damaged()); });
}

void add_budget(Metrics& metrics, const MemoryBudget& budget) {
  const Metrics::Labels labels = {{"budget", budget.name()}};
  metrics.add_gauge("millrace_memory_used_bytes", "Memory reserved, by budget.", labels,
                    [&] { return number(budget.used()); });
  metrics.add_gauge("millrace_memory_limit_bytes", "Memory that may be reserved, by budget.",
                    labels, [&] { return number(budget.limit()); });
}

void add_http(Metrics& metrics, const http::HttpCounters& counters) {
  metrics.add_counter("millrace_http_requests_total", "HTTP requests answered.", {},
                      [&] { return number(counters.requests); });
  metrics.add_counter("millrace_http_refused_total", "Answers that were 4xx.", {},
                      [&] { return number(counters.refused_4xx); });
  metrics.add_counter("millrace_http_failed_total", "Answers that were 5xx.", {},
                      [&] { return number(counters.failed_5xx); });
  metrics.add_counter("millrace_queries_total", "SQL statements asked for.", {},
                      [&] { return number(counters.queries); });
}

}  // namespace

void add_metrics(Metrics& metrics, const Measured& of) {
  add_journal(metrics, of.log);
  add_pins(metrics, of.broker);
  add_segments(metrics, of.segments, of.history, of.log);
  add_scrub(metrics, of.scrub);
  add_store(metrics, of.segment_store.counters());
  if (const auto* cache = of.segment_store.cache()) {
    add_cache(metrics, *cache);
  }
  add_ingest(metrics, of.ingestor.counters());
  add_tables(metrics, of.tables);
  add_budget(metrics, of.tables.hot_budget());
  add_budget(metrics, of.bodies);
  add_budget(metrics, of.buffers);
  add_budget(metrics, of.reads);
  add_http(metrics, of.http);
  metrics.add_gauge("millrace_topics", "Topics there are, those of tables included.", {},
                    [&broker = of.broker] { return number(broker.topics().size()); });
  metrics.add_gauge("process_resident_memory_bytes", "Resident memory.", {}, resident_bytes);
}

}  // namespace millrace::server
