# Install Hilum as a Windows service, or bring an installed one up to date. Run as Administrator.
#
#   .\install-service.ps1 -WinSW C:\Downloads\WinSW-x64.exe
#
# Windows wants a program of its own kind to hold a service. WinSW (https://github.com/winsw/winsw, MIT licence) is
# one: download WinSW-x64.exe of version 2.12 and say where it is.
#
#   program        C:\Program Files\Hilum
#   configuration  C:\ProgramData\Hilum\config.toml
#   images         C:\ProgramData\Hilum\data
#   log            C:\ProgramData\Hilum\log
param(
    [Parameter(Mandatory = $true)] [string] $WinSW,
    [string] $Python = "py"
)
$ErrorActionPreference = "Stop"

$principal = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    throw "A service is installed by an Administrator: start PowerShell as one."
}
if (-not (Test-Path -LiteralPath $WinSW -PathType Leaf)) { throw "There is no $WinSW" }

function Invoke-Checked {
    param([string] $Program, [string[]] $Arguments)
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) { throw "$Program $($Arguments -join ' ') failed with $LASTEXITCODE" }
}

$source = $PSScriptRoot
$program = Join-Path $env:ProgramFiles "Hilum"
$state = Join-Path $env:ProgramData "Hilum"
$service = Join-Path $program "hilum-service.exe"
$venvPython = Join-Path $program "venv\Scripts\python.exe"
New-Item -ItemType Directory -Force -Path $program, $state, (Join-Path $state "log") | Out-Null

if (Get-Service -Name "Hilum" -ErrorAction SilentlyContinue) {
    Stop-Service -Name "Hilum"
    Invoke-Checked $service @("uninstall")
}
Invoke-Checked $Python @("-c", "import sys; sys.exit(sys.version_info < (3, 11))")
if (-not (Test-Path -LiteralPath $venvPython)) {
    Invoke-Checked $Python @("-m", "venv", (Join-Path $program "venv"))
}
Invoke-Checked $venvPython @("-m", "pip", "install", "--quiet", "--upgrade", $source)

$config = Join-Path $state "config.toml"
if (-not (Test-Path -LiteralPath $config)) {
    Copy-Item -LiteralPath (Join-Path $source "config.toml") -Destination $config
}
Copy-Item -LiteralPath $WinSW -Destination $service -Force
@"
<service>
  <id>Hilum</id>
  <name>Hilum</name>
  <description>A gate between DIMSE and DICOMweb</description>
  <executable>$venvPython</executable>
  <arguments>-m hilum run --config "$config"</arguments>
  <startmode>Automatic</startmode>
  <onfailure action="restart" delay="5 sec"/>
  <stoptimeout>60 sec</stoptimeout>
  <logpath>$(Join-Path $state "log")</logpath>
  <log mode="roll-by-size"><sizeThreshold>10240</sizeThreshold><keepFiles>8</keepFiles></log>
</service>
"@ | Set-Content -LiteralPath (Join-Path $program "hilum-service.xml") -Encoding UTF8

# Images are patients' data: only the system and administrators may read them.
Invoke-Checked "icacls" @($state, "/inheritance:r", "/grant", "*S-1-5-18:(OI)(CI)F", "/grant", "*S-1-5-32-544:(OI)(CI)F")
Invoke-Checked $service @("install")
Start-Service -Name "Hilum"
Get-Service -Name "Hilum"
