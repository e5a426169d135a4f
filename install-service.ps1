<#
.SYNOPSIS
Hilum as a Windows service: install it, bring it up to date, look at it, take it away.

.DESCRIPTION
Run as Administrator. Windows wants a program of its own kind to hold a service: WinSW (https://github.com/winsw/winsw,
MIT licence) is fetched, or taken from -Wrapper, and must be the one whose SHA-256 stands below.

  program         C:\Program Files\Hilum            releases, each a virtual environment; `current` names the one in use
  configuration   C:\ProgramData\Hilum\config.toml  tls beside it
  images          C:\ProgramData\Hilum\data
  log             C:\ProgramData\Hilum\log

Each verb can be repeated: what is as it should be stays as it is.

.PARAMETER Verb
install (default), upgrade, uninstall, status, print (what the wrapper is told), wheels (fetch all packages into -Wheels).

.PARAMETER Wheels
A folder with all packages; nothing is taken from the network. With the verb wheels: where they are put.

.PARAMETER Wrapper
WinSW-x64.exe of version 2.12.0, where it cannot be fetched.

.PARAMETER Python
A Python of version 3.11 or newer, installed for all users.

.PARAMETER Extras
Optional packages, such as codecs.

.PARAMETER Purge
With uninstall: configuration, images and log too.

.EXAMPLE
.\install-service.ps1

.EXAMPLE
.\install-service.ps1 upgrade -Wheels C:\Downloads\packages

.NOTES
Ends with 0: done; status also with 1: not ready, 3: does not run, 4: is not installed.
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet("install", "upgrade", "uninstall", "status", "print", "wheels")]
    [string] $Verb = "install",
    [string] $Wheels = "",
    [string] $Wrapper = "",
    [string] $Python = "py",
    [string] $Extras = "",
    [switch] $Purge
)
Set-StrictMode -Version 2
$ErrorActionPreference = "Stop"

$WrapperUrl = "https://github.com/winsw/winsw/releases/download/v2.12.0/WinSW-x64.exe"
$WrapperHash = "05B82D46AD331CC16BDC00DE5C6332C1EF818DF8CEEFCD49C726553209B3A0DA"
$Name = "Hilum"
$Source = $PSScriptRoot
$Program = Join-Path $env:ProgramFiles $Name
$State = Join-Path $env:ProgramData $Name
$Config = Join-Path $State "config.toml"
$Service = Join-Path $Program "hilum-service.exe"
$Current = Join-Path $Program "current"     # a file: the name of the release in use
$Account = "*S-1-5-19"                      # NT AUTHORITY\LocalService

function Invoke-Checked {
    <# A program; an error unless it ends with 0. #>
    param([string] $File, [string[]] $Arguments)
    & $File @Arguments
    if ($LASTEXITCODE -ne 0) { throw "$File $($Arguments -join ' ') ended with $LASTEXITCODE" }
}

function Write-Text {
    <# Text as UTF-8 without a byte order mark, in one step. #>
    param([string] $Path, [string] $Text)
    $new = "$Path.new"
    [IO.File]::WriteAllText($new, $Text, (New-Object Text.UTF8Encoding $false))
    Move-Item -LiteralPath $new -Destination $Path -Force
}

function Assert-Administrator {
    $who = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
    if (-not $who.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw "That is for an Administrator: start PowerShell as one."
    }
}

function Get-Release {
    <# The release in use, or nothing. #>
    if (Test-Path -LiteralPath $Current) {
        return (Get-Content -LiteralPath $Current -Raw).Trim()
    }
    return ""
}

function Get-ReleasePython {
    param([string] $Release)
    return Join-Path $Program "releases\$Release\Scripts\python.exe"
}

function Invoke-Hilum {
    <# The program of a release, with the service's configuration; its exit code is in $LASTEXITCODE. #>
    param([string] $Release, [string[]] $Arguments)
    $before = $env:HILUM_CONFIG
    $env:HILUM_CONFIG = $Config
    try { & (Get-ReleasePython $Release) -I -m hilum @Arguments } finally { $env:HILUM_CONFIG = $before }
}

function Get-WrapperText {
    <# What WinSW reads: hilum-service.xml. Stopping is Ctrl+C, which lets transfers end. #>
    param([string] $Release)
    $escape = { param($text) [Security.SecurityElement]::Escape($text) }
    return @"
<service>
  <id>$Name</id>
  <name>$Name</name>
  <description>A gate between DIMSE and DICOMweb</description>
  <executable>$(& $escape (Get-ReleasePython $Release))</executable>
  <arguments>-I -m hilum run --config "$(& $escape $Config)"</arguments>
  <serviceaccount><domain>NT AUTHORITY</domain><user>LocalService</user></serviceaccount>
  <startmode>Automatic</startmode>
  <delayedAutoStart/>
  <onfailure action="restart" delay="5 sec"/>
  <onfailure action="restart" delay="60 sec"/>
  <resetfailure>1 hour</resetfailure>
  <stoptimeout>60 sec</stoptimeout>
  <logpath>$(& $escape (Join-Path $State "log"))</logpath>
  <log mode="roll-by-size"><sizeThreshold>10240</sizeThreshold><keepFiles>8</keepFiles></log>
</service>
"@
}

function Get-SourceStamp {
    <# What a release is made from: the same text for the same files. #>
    if ($Wheels) {
        $files = Get-ChildItem -LiteralPath $Wheels -Filter "hilum-*.whl"
    } else {
        $files = @(Get-ChildItem -LiteralPath (Join-Path $Source "src") -Recurse -File |
                Where-Object { $_.Extension -ne ".pyc" })
        $files += Get-Item -LiteralPath (Join-Path $Source "pyproject.toml"), $PSCommandPath
    }
    $hashes = $files | Sort-Object FullName | Get-FileHash -Algorithm SHA256 | ForEach-Object { $_.Hash }
    return (@($Extras) + $hashes) -join "`n"
}

function Install-Wrapper {
    <# WinSW, at its place, if it is the right one. #>
    if (Test-Path -LiteralPath $Service) {
        if ((Get-FileHash -LiteralPath $Service -Algorithm SHA256).Hash -eq $WrapperHash) { return }
    }
    $file = $Wrapper
    if (-not $file) {
        $file = Join-Path ([IO.Path]::GetTempPath()) "WinSW-x64.exe"
        Write-Output "Fetching $WrapperUrl"
        [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
        Invoke-WebRequest -Uri $WrapperUrl -OutFile $file -UseBasicParsing
    }
    $found = (Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash
    if ($found -ne $WrapperHash) { throw "$file is not WinSW 2.12.0: its SHA-256 is $found" }
    Copy-Item -LiteralPath $file -Destination $Service -Force
}

function New-Release {
    <# A release, whole or not at all; its name. #>
    Invoke-Checked $Python @("-c", "import sys; sys.exit(sys.version_info < (3, 11))") | Out-Null
    $release = (Get-Date).ToUniversalTime().ToString("yyyyMMdd-HHmmss")
    $folder = Join-Path $Program "releases\$release"
    try {
        Invoke-Checked $Python @("-m", "venv", $folder) | Out-Null
        $extra = if ($Extras) { "[$Extras]" } else { "" }
        $arguments = @("-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
        if ($Wheels) {
            $arguments += @("--no-index", "--find-links", (Resolve-Path -LiteralPath $Wheels).Path, "hilum$extra")
        } else {
            $arguments += "$Source$extra"
        }
        Invoke-Checked (Get-ReleasePython $release) $arguments | Out-Null
        Write-Text (Join-Path $folder "source") (Get-SourceStamp)
    } catch {
        Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
        throw
    }
    return $release
}

function Initialize-Configuration {
    <# A first one: TLS and logins are on; only this machine can call. #>
    param([string] $Release)
    $tls = Join-Path $State "tls"
    if (-not (Test-Path -LiteralPath $Config)) {
        if (-not (Test-Path -LiteralPath (Join-Path $tls "key.pem"))) {
            $hosts = @("localhost", "127.0.0.1", "::1", $env:COMPUTERNAME, [Net.Dns]::GetHostEntry("").HostName)
            $arguments = @("-I", "-m", "hilum", "cert", "self-signed", "--days", "3650", "--folder", $tls)
            $hosts | Select-Object -Unique | ForEach-Object { $arguments += @("--host", $_) }
            Invoke-Checked (Get-ReleasePython $Release) $arguments | Out-Null
        }
        # the shipped configuration, with what it has as comments on TLS and logins turned on
        $section = ""
        $lines = Get-Content -LiteralPath (Join-Path $Source "config.toml") -Encoding UTF8 | ForEach-Object {
            if ($_ -match '^(# )?\[(\w+)\]$') { $section = $Matches[2] }
            if (-not $_) { $section = "" }
            switch -Regex ($_) {
                '^# tls = true' { $_.Substring(2); break }
                '^port = 8080' { $_ -replace '8080', '8443'; break }
                '^# ' { if ($section -in "auth", "tls") { $_.Substring(2) } else { $_ }; break }
                default { $_ }
            }
        }
        Write-Text $Config (($lines -join "`r`n") + "`r`n")
    }
}

function Protect-State {
    <# Images are patients' data: only the system, administrators and the service may read them. #>
    New-Item -ItemType Directory -Force -Path $Program, $State, (Join-Path $State "data"), (Join-Path $State "log") | Out-Null
    $grants = @("*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", "${Account}:(OI)(CI)RX")
    Invoke-Checked "icacls" (@($State, "/quiet", "/inheritance:r", "/grant:r") + $grants) | Out-Null
    foreach ($each in "data", "log") {
        Invoke-Checked "icacls" @((Join-Path $State $each), "/quiet", "/grant:r", "${Account}:(OI)(CI)M") | Out-Null
    }
}

function Set-Release {
    <# Which release the service and hilum.cmd use from now on. #>
    param([string] $Release)
    Write-Text (Join-Path $Program "hilum-service.xml") (Get-WrapperText $Release)
    Write-Text (Join-Path $Program "hilum.cmd") (
        "@echo off`r`nsetlocal`r`nif not defined HILUM_CONFIG set `"HILUM_CONFIG=$Config`"`r`n" +
        "`"$(Get-ReleasePython $Release)`" -I -m hilum %*`r`n")
    Write-Text $Current "$Release`r`n"
}

function Test-Running {
    $found = Get-Service -Name $Name -ErrorAction SilentlyContinue
    return ($null -ne $found) -and ($found.Status -ne "Stopped")
}

function Start-Hilum {
    <# Start it; whether it became ready. #>
    Start-Service -Name $Name
    Invoke-Hilum (Get-Release) @("ready", "--wait", "2m") | Out-Null
    return $LASTEXITCODE -eq 0
}

function Remove-Old {
    <# All but the newest three releases and backups. #>
    foreach ($each in (Join-Path $Program "releases"), (Join-Path $State "backups")) {
        if (Test-Path -LiteralPath $each) {
            Get-ChildItem -LiteralPath $each -Directory | Sort-Object Name -Descending | Select-Object -Skip 3 |
                Where-Object { $_.Name -ne (Get-Release) } | Remove-Item -Recurse -Force
        }
    }
}

function Install-Hilum {
    Assert-Administrator
    $release = Get-Release
    if ($release) {
        $stamp = Join-Path $Program "releases\$release\source"
        if (-not (Test-Path -LiteralPath $stamp) -or
            [IO.File]::ReadAllText($stamp) -ne (Get-SourceStamp)) {
            Write-Output "Hilum is installed already, from other files: bringing it up to date."
            Update-Hilum
            return
        }
    }
    Protect-State
    Install-Wrapper
    if (-not $release) {
        $release = New-Release
    }
    Set-Release $release
    Initialize-Configuration $release
    if (-not (Get-Service -Name $Name -ErrorAction SilentlyContinue)) { Invoke-Checked $Service @("install") }
    if (-not (Test-Running) -and -not (Start-Hilum)) {
        Invoke-Hilum $release @("check")
        throw "Hilum does not become ready; see $State\log"
    }
    Write-Output "Hilum is installed, and ready at https://127.0.0.1:8443. Next: INSTALL.md, from step 2 on."
    Write-Output "A first login:  & '$Program\hilum.cmd' token create NAME --may echo,query,retrieve,store"
}

function Update-Hilum {
    Assert-Administrator
    $old = Get-Release
    if (-not $old) {
        Write-Output "Hilum is not installed here."
        exit 4
    }
    $fresh = New-Release    # the old one serves meanwhile
    $ran = Test-Running
    if ($ran) { Stop-Service -Name $Name }
    $backup = Join-Path $State "backups\$fresh"
    New-Item -ItemType Directory -Force -Path $backup | Out-Null
    Copy-Item -LiteralPath $Config -Destination $backup
    Invoke-Hilum $fresh @("backup", (Join-Path $backup "databases"), "--index") | Out-Null
    if ($LASTEXITCODE -ne 0) {
        if ($ran) { Start-Service -Name $Name }
        throw "The state could not be saved; the release that was there stays."
    }
    Install-Wrapper
    Set-Release $fresh
    if ($ran -and -not (Start-Hilum)) {
        Write-Output "The new release does not become ready (see $State\log): going back."
        Stop-Service -Name $Name
        Set-Release $old
        Invoke-Hilum $fresh @("restore", (Join-Path $backup "databases"), "--index") | Out-Null
        Remove-Item -LiteralPath (Join-Path $Program "releases\$fresh") -Recurse -Force
        Start-Service -Name $Name
        exit 1
    }
    Remove-Old
    Write-Output "Hilum is brought up to date; what was before is in $backup."
}

function Uninstall-Hilum {
    Assert-Administrator
    if (Get-Service -Name $Name -ErrorAction SilentlyContinue) {
        if (Test-Running) { Stop-Service -Name $Name }
        Invoke-Checked $Service @("uninstall")
    }
    if (Test-Path -LiteralPath $Program) { Remove-Item -LiteralPath $Program -Recurse -Force }
    if (-not $Purge) {
        Write-Output "Hilum is removed. Configuration and images stay in $State."
        return
    }
    if (Test-Path -LiteralPath $State) { Remove-Item -LiteralPath $State -Recurse -Force }
    Write-Output "Hilum is removed, with configuration and images."
}

function Show-Status {
    $release = Get-Release
    if (-not $release) {
        Write-Output "Hilum is not installed."
        exit 4
    }
    $said = ""
    $code = 3
    if (Test-Running) {
        $said = Invoke-Hilum $release @("ready")
        $code = if ($LASTEXITCODE -eq 0) { 0 } else { 1 }
    }
    $state = @{ 0 = "runs and is ready"; 1 = "runs and is not ready"; 3 = "does not run" }[$code]
    Write-Output "$(Invoke-Hilum $release @("version")) $state. $said"
    Write-Output "  program         $Program\releases\$release"
    Write-Output "  configuration   $Config"
    Write-Output "  images          $State\data"
    Write-Output "  log             $State\log"
    exit $code
}

function Save-Wheels {
    if (-not $Wheels) { throw "Name the folder: .\install-service.ps1 wheels -Wheels FOLDER" }
    $extra = if ($Extras) { "[$Extras]" } else { "" }
    Invoke-Checked $Python @("-m", "pip", "wheel", "--quiet", "--wheel-dir", $Wheels, "$Source$extra")
    Write-Output "The packages are in $Wheels; WinSW is at $WrapperUrl"
}

switch ($Verb) {
    "install" { Install-Hilum }
    "upgrade" { Update-Hilum }
    "uninstall" { Uninstall-Hilum }
    "status" { Show-Status }
    "print" { Get-WrapperText "RELEASE" }
    "wheels" { Save-Wheels }
}
