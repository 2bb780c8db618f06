package main

import (
	"encoding/json"
	"net/http"

	"github.com/databricks/cli/libs/testserver"
	"github.com/databricks/databricks-sdk-go/service/catalog"
	"github.com/databricks/databricks-sdk-go/service/ml"
)

func refuse(status int, code, message string) testserver.Response {
	return testserver.Response{
		StatusCode: status,
		Body:       map[string]string{"error_code": code, "message": message},
	}
}

func refuseExisting(code, what, name string) testserver.Response {
	return refuse(http.StatusBadRequest, code, what+" '"+name+"' already exists.")
}

// refuseDoubles answers for what can exist only once, which the fake workspace would overwrite.
func refuseDoubles(server *testserver.Server) {
	server.Handle("POST", "/api/2.1/unity-catalog/schemas", func(request testserver.Request) any {
		var wanted catalog.CreateSchema
		_ = json.Unmarshal(request.Body, &wanted)
		name := wanted.CatalogName + "." + wanted.Name
		if holds(request.Workspace, request.Workspace.Schemas, name) {
			return refuseExisting("SCHEMA_ALREADY_EXISTS", "Schema", name)
		}
		return request.Workspace.SchemasCreate(request)
	})
	server.Handle("POST", "/api/2.1/unity-catalog/models", func(request testserver.Request) any {
		var wanted catalog.CreateRegisteredModelRequest
		_ = json.Unmarshal(request.Body, &wanted)
		name := wanted.CatalogName + "." + wanted.SchemaName + "." + wanted.Name
		if holds(request.Workspace, request.Workspace.RegisteredModels, name) {
			return refuseExisting("RESOURCE_ALREADY_EXISTS", "Registered model", name)
		}
		return request.Workspace.RegisteredModelsCreate(request)
	})
	server.Handle("POST", "/api/2.0/mlflow/experiments/create", func(request testserver.Request) any {
		var wanted ml.CreateExperiment
		_ = json.Unmarshal(request.Body, &wanted)
		if holdsExperiment(request.Workspace, wanted.Name) {
			return refuseExisting("RESOURCE_ALREADY_EXISTS", "Node named", wanted.Name)
		}
		return request.Workspace.ExperimentCreate(request)
	})
}

func holds[T any](fake *testserver.FakeWorkspace, named map[string]T, name string) bool {
	defer fake.LockUnlock()()
	_, ok := named[name]
	return ok
}

func holdsExperiment(fake *testserver.FakeWorkspace, name string) bool {
	defer fake.LockUnlock()()
	for _, one := range fake.Experiments {
		if one.Experiment.Name == name {
			return true
		}
	}
	return false
}
