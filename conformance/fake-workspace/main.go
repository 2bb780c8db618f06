// Command fake-workspace serves the Databricks CLI's own fake workspace on loopback.
//
// It prints one line, {"url": "…"}, and leaves when its input ends or on SIGTERM. Bearer tokens
// say who calls and where: dbapi0NAME is a user and dbapi1NAME a service principal of one
// workspace that no other NAME sees.
package main

import (
	"encoding/json"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/databricks/cli/libs/testserver"
)

func main() {
	t := &process{}
	defer t.cleanUp()
	server := testserver.New(t)
	// The first handler of a path is the one that answers.
	refuseDoubles(server)
	server.Handle("POST", "/api/2.2/jobs/run-now", startRun)
	server.Handle("GET", "/api/2.0/sql/warehouses", listWarehouses)
	testserver.AddDefaultHandlers(server)
	watch(server)

	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"url": server.URL}); err != nil {
		log.Fatal(err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended <- syscall.SIGTERM
	}()
	<-ended
}
