package main

import (
	"encoding/json"
	"net/http"

	"github.com/databricks/cli/libs/testserver"
	"github.com/databricks/databricks-sdk-go/service/jobs"
)

// startRun records a run that has succeeded, and runs nothing: the fake workspace would run the
// tasks one after another as they are written, which says nothing about the job.
func startRun(request testserver.Request) any {
	var wanted jobs.RunNow
	if err := json.Unmarshal(request.Body, &wanted); err != nil {
		return refuse(http.StatusBadRequest, "MALFORMED_REQUEST", err.Error())
	}
	fake := request.Workspace
	defer fake.LockUnlock()()
	job, ok := fake.Jobs[wanted.JobId]
	if !ok {
		return refuse(http.StatusBadRequest, "INVALID_PARAMETER_VALUE", "Job does not exist.")
	}
	run := jobs.Run{
		RunId:   int64(len(fake.JobRuns) + 1),
		JobId:   wanted.JobId,
		RunName: job.Settings.Name,
		RunType: jobs.RunTypeJobRun,
		State: &jobs.RunState{
			LifeCycleState: jobs.RunLifeCycleStateTerminated,
			ResultState:    jobs.RunResultStateSuccess,
		},
	}
	fake.JobRuns[run.RunId] = run
	return jobs.RunNowResponse{RunId: run.RunId}
}
