// SPDX-License-Identifier: Apache-2.0
//
// expect: train: storage is float or std::int16_t; add its loads and stores to storage.hpp

#include "intaglio/train/storage.hpp"

intaglio::train::stored<double> wide;
