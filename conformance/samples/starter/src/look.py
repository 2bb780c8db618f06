# Databricks notebook source
"""Look at the rows."""

print(1)
