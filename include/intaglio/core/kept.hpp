// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory that work needs for as long as it lasts, kept by its thread for the next time, so that work which is called
// often and is soon done allocates nothing. T is made at the first use and is then as it was left: whoever takes it
// sets what matters. Work inside other work of the same kind takes another one.

#include <memory>
#include <utility>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class T>
class kept {
public:
    kept() : mine_(std::move(of_this_thread())) {
        if (!mine_) mine_ = std::make_unique<T>();
    }
    ~kept() { of_this_thread() = std::move(mine_); }
    kept(const kept&) = delete;
    kept& operator=(const kept&) = delete;

    T& operator*() const { return *mine_; }
    T* operator->() const { return mine_.get(); }

private:
    static std::unique_ptr<T>& of_this_thread() {
        thread_local std::unique_ptr<T> waiting;
        return waiting;
    }
    std::unique_ptr<T> mine_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
