package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"

	"github.com/databricks/cli/libs/testserver"
	"github.com/databricks/databricks-sdk-go/service/workspace"
)

// watch adds what the tests ask: everything that stands in a workspace, and the calls it got.
func watch(server *testserver.Server) {
	calls := map[*testserver.FakeWorkspace][]string{}
	var mutex sync.Mutex
	server.RequestCallback = func(request *testserver.Request) {
		if strings.HasPrefix(request.URL.Path, "/__") {
			return
		}
		mutex.Lock()
		defer mutex.Unlock()
		call := request.Method + " " + request.URL.Path
		calls[request.Workspace] = append(calls[request.Workspace], call)
	}
	server.Handle("GET", "/__conformance/calls", func(request testserver.Request) any {
		mutex.Lock()
		defer mutex.Unlock()
		return map[string]any{"calls": calls[request.Workspace]}
	})
	server.Handle("GET", "/__conformance/state", func(request testserver.Request) any {
		return describe(request.Workspace)
	})
}

func describe(fake *testserver.FakeWorkspace) map[string]any {
	files, folders := map[string]string{}, map[string]int64{}
	walk(fake, "/Workspace", files, folders)
	defer fake.LockUnlock()()
	return map[string]any{
		"jobs":              fake.Jobs,
		"schemas":           fake.Schemas,
		"registered_models": fake.RegisteredModels,
		"volumes":           fake.Volumes,
		"experiments":       fake.Experiments,
		"permissions":       fake.Permissions,
		"grants":            fake.Grants,
		"files":             files,
		"folders":           folders,
	}
}

// walk collects the SHA-256 of each file below a folder, and the id of each folder.
func walk(
	fake *testserver.FakeWorkspace,
	folder string,
	files map[string]string,
	folders map[string]int64,
) {
	list, ok := fake.WorkspaceList(folder).Body.(workspace.ListResponse)
	if !ok {
		return
	}
	for _, object := range list.Objects {
		if object.ObjectType == workspace.ObjectTypeDirectory {
			folders[object.Path] = object.ObjectId
			walk(fake, object.Path, files, folders)
			continue
		}
		sum := sha256.Sum256(fake.WorkspaceExport(object.Path))
		files[object.Path] = hex.EncodeToString(sum[:])
	}
}
