package main

import (
	"github.com/databricks/cli/libs/testserver"
	"github.com/databricks/databricks-sdk-go/service/sql"
)

// listWarehouses answers with the one that a new workspace has, under the name it has there.
func listWarehouses(_ testserver.Request) any {
	return sql.ListWarehousesResponse{Warehouses: []sql.EndpointInfo{{
		Id:   testserver.TestDefaultWarehouseId,
		Name: "Serverless Starter Warehouse",
	}}}
}
