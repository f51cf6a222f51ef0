// Every generated message: for code that treats them all alike.
#pragma once

#include "kafka/protocol/api_versions.gen.h"
#include "kafka/protocol/create_topics.gen.h"
#include "kafka/protocol/delete_records.gen.h"
#include "kafka/protocol/delete_topics.gen.h"
#include "kafka/protocol/fetch.gen.h"
#include "kafka/protocol/find_coordinator.gen.h"
#include "kafka/protocol/list_offsets.gen.h"
#include "kafka/protocol/metadata.gen.h"
#include "kafka/protocol/produce.gen.h"

namespace millrace::kafka {

/// Calls visitor.operator()<Request, Response>() for each API.
template <typename Visitor>
void for_each_api(Visitor&& visitor) {
  visitor.template operator()<ApiVersionsRequest, ApiVersionsResponse>();
  visitor.template operator()<CreateTopicsRequest, CreateTopicsResponse>();
  visitor.template operator()<DeleteRecordsRequest, DeleteRecordsResponse>();
  visitor.template operator()<DeleteTopicsRequest, DeleteTopicsResponse>();
  visitor.template operator()<FetchRequest, FetchResponse>();
  visitor.template operator()<FindCoordinatorRequest, FindCoordinatorResponse>();
  visitor.template operator()<ListOffsetsRequest, ListOffsetsResponse>();
  visitor.template operator()<MetadataRequest, MetadataResponse>();
  visitor.template operator()<ProduceRequest, ProduceResponse>();
}

}  // namespace millrace::kafka
