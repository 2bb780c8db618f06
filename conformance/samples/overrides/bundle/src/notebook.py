# Databricks notebook source
"""A notebook."""

print(1)
