# Databricks notebook source
"""Fit a model."""

print(1)
