// SPDX-License-Identifier: Apache-2.0
#pragma once

// All of io/: files of tensors and networks. Beside what intaglio/intaglio.hpp needs this needs nlohmann_json.

#include "intaglio/io/atomic_file.hpp"
#include "intaglio/io/checksum.hpp"
#include "intaglio/io/element_type.hpp"
#include "intaglio/io/folder_lock.hpp"
#include "intaglio/io/line_chart.hpp"
#include "intaglio/io/model_file.hpp"
#include "intaglio/io/model_graph.hpp"
#include "intaglio/io/parameters_file.hpp"
#include "intaglio/io/rans.hpp"
#include "intaglio/io/safetensors.hpp"
#include "intaglio/io/safetensors_header.hpp"
#include "intaglio/io/safetensors_writer.hpp"
#include "intaglio/io/training_checkpoint.hpp"
