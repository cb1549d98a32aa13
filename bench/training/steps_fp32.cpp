// SPDX-License-Identifier: Apache-2.0
#include "training/steps_of.hpp"

template std::unique_ptr<intaglio::timed_steps> intaglio::make_timed_steps<float>(const nn::network&, dim_t,
                                                                                  const train::plan_options&);
