// The session process: hardens itself, takes its orders from the pipe, runs one
// task and says how it went.

#pragma once

#include "agent/device/engine_factory.h"
#include "agent/process/message_pipe.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace mooring::agent {

// The descriptor on which a session process finds its pipe.
inline constexpr int kSessionPipeFd = 3;

// No core dumps, no tracing by others, dies with its parent. For the start of
// main, before any thread.
void HardenSessionProcess();

// One heap, and buffers of chunks inside it: they are used again without page
// faults (a third of the upload's CPU otherwise), and by whatever thread comes
// next. For the start of main, of agents and sessions.
void TuneHeap();

// Returns the exit code: 0 when the end of the task was told, whatever it was.
int RunSessionProcess(MessagePipe& pipe, EngineFactory& engines, Clock& clock, Random& random);

}  // namespace mooring::agent
