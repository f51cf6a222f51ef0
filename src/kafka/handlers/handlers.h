// One function an API: a decoded request in, a response out. All run on the connection's shard;
// views in a request are valid until the function returns.
#pragma once

#include "bytes/buffer.h"
#include "kafka/context.h"
#include "kafka/protocol/api_versions.gen.h"
#include "kafka/protocol/create_topics.gen.h"
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
  bytes::Buffer frame;        // the request's bytes: batches are slices of it
  runtime::CancelToken stop;  // the server's drain deadline has passed
};

ApiVersionsResponse api_versions(int16_t version);
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
FindCoordinatorResponse find_coordinator(const FindCoordinatorRequest& request, int16_t version);

}  // namespace millrace::kafka
