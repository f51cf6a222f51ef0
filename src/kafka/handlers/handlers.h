// One function an API: a decoded request in, a response out. All run on the connection's shard;
// views in a request are valid until the function returns.
#pragma once

#include "bytes/buffer.h"
#include "kafka/context.h"
#include "kafka/protocol/api_versions.gen.h"
#include "kafka/protocol/create_topics.gen.h"
#include "kafka/protocol/delete_records.gen.h"
#include "kafka/protocol/delete_topics.gen.h"
#include "kafka/protocol/fetch.gen.h"
#include "kafka/protocol/find_coordinator.gen.h"
#include "kafka/protocol/list_offsets.gen.h"
#include "kafka/protocol/metadata.gen.h"
#include "kafka/protocol/produce.gen.h"
#include "runtime/task.h"

namespace millrace::kafka {

/// What a handler knows of its request besides the message.
struct Call {
  int16_t version = 0;
  bytes::Buffer frame;              // the request's bytes: batches are slices of it
  runtime::CancelToken stop;        // the server's drain deadline has passed
  MemoryBudget::Reservation& held;  // what the response holds, until it was sent
};

/// A version that ApiVersions does not have is answered with kUnsupportedVersion (KIP-511).
runtime::Task<ApiVersionsResponse> api_versions(Context& context, const ApiVersionsRequest& request,
                                                const Call& call);
runtime::Task<MetadataResponse> metadata(Context& context, const MetadataRequest& request,
                                         const Call& call);
runtime::Task<ProduceResponse> produce(Context& context, const ProduceRequest& request,
                                       const Call& call);
runtime::Task<FetchResponse> fetch(Context& context, const FetchRequest& request, const Call& call);
runtime::Task<ListOffsetsResponse> list_offsets(Context& context, const ListOffsetsRequest& request,
                                                const Call& call);
runtime::Task<CreateTopicsResponse> create_topics(Context& context,
                                                  const CreateTopicsRequest& request,
                                                  const Call& call);
runtime::Task<DeleteTopicsResponse> delete_topics(Context& context,
                                                  const DeleteTopicsRequest& request,
                                                  const Call& call);
/// Those of one request become durable together.
runtime::Task<DeleteRecordsResponse> delete_records(Context& context,
                                                    const DeleteRecordsRequest& request,
                                                    const Call& call);
runtime::Task<FindCoordinatorResponse> find_coordinator(Context& context,
                                                        const FindCoordinatorRequest& request,
                                                        const Call& call);

}  // namespace millrace::kafka
